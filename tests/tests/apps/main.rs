//! Several applications in one process, each with its database, its settings and its tasks.
#![expect(clippy::unwrap_used, reason = "a test")]

mod lifetime;
mod own_migrations;
mod several;

use std::sync::{Arc, Mutex};

use taskx::prelude::*;

/// Where an App's tasks write what ran.
#[derive(Debug, Default, Clone)]
struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    fn read(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// Of the App of shops; enqueues another one of its own App.
#[task(app = "shop", queue = "orders")]
async fn order(number: u32, diary: &Diary) -> Result {
    diary.0.lock().unwrap().push(format!("order {number}"));
    Pack::apply(number).await?;
    Ok(())
}

#[task(app = "shop", queue = "orders")]
fn pack(number: u32, diary: &Diary) -> Result {
    diary.0.lock().unwrap().push(format!("pack {number}"));
    if number > 0 {
        Pack::apply(number - 1).enqueue_blocking()?;
    }
    Ok(())
}

/// The other App has a task of the same name.
mod billing {
    use super::{Diary, Result, task};

    #[task(app = "billing", queue = "bills", name = "order")]
    pub(crate) fn bill(number: u32, diary: &Diary) -> Result<u32> {
        diary.0.lock().unwrap().push(format!("bill {number}"));
        Ok(number * 2)
    }
}

/// Of the App without a name.
#[task(queue = "unnamed")]
fn plain(diary: &Diary) {
    diary.0.lock().unwrap().push("plain".to_owned());
}
