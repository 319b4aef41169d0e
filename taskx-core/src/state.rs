//! The states of an App: what tasks take by reference.

use std::{
    any::{Any, TypeId, type_name},
    collections::HashMap,
    fmt,
    sync::Arc,
};

/// A state that a task takes by reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateNeed {
    /// Its type.
    pub type_id: TypeId,
    /// Its type's name.
    pub type_name: &'static str,
}

impl StateNeed {
    /// The need of a `&T`.
    #[must_use]
    pub fn of<T: ?Sized + 'static>() -> Self {
        Self { type_id: TypeId::of::<T>(), type_name: type_name::<T>() }
    }
}

/// States by type. Each is an `Arc<T>`, where `T` may be a trait object.
#[derive(Default)]
pub struct States {
    by_type: HashMap<TypeId, (Box<dyn Any + Send + Sync>, &'static str)>,
}

impl States {
    /// Adds a state, or replaces the one of the same type.
    pub fn insert<T: ?Sized + Send + Sync + 'static>(&mut self, state: Arc<T>) {
        self.by_type.insert(TypeId::of::<T>(), (Box::new(state), type_name::<T>()));
    }

    /// The state of this type.
    #[must_use]
    pub fn get<T: ?Sized + Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.by_type.get(&TypeId::of::<T>())?.0.downcast_ref::<Arc<T>>().cloned()
    }

    /// Whether there is a state for this need.
    #[must_use]
    pub fn has(&self, need: StateNeed) -> bool {
        self.by_type.contains_key(&need.type_id)
    }
}

impl fmt::Debug for States {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.by_type.values().map(|(_, name)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    trait Greet: Send + Sync {
        fn greet(&self) -> String;
    }

    struct Polite;

    impl Greet for Polite {
        fn greet(&self) -> String {
            "good day".to_owned()
        }
    }

    #[test]
    fn values_and_trait_objects_are_found_by_their_type() {
        let mut states = States::default();
        states.insert(Arc::new(7_u32));
        states.insert::<dyn Greet>(Arc::new(Polite));
        assert_eq!(states.get::<u32>().as_deref(), Some(&7));
        assert_eq!(states.get::<dyn Greet>().unwrap().greet(), "good day");
        assert!(states.get::<i64>().is_none());
        assert!(states.has(StateNeed::of::<dyn Greet>()) && !states.has(StateNeed::of::<Polite>()));
    }
}
