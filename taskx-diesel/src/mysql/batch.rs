//! Batches as JSON text, the one bind of a statement.

use std::fmt::Write;

use uuid::Uuid;

use crate::rows::json_text;

/// A JSON array of ids, sorted and each once: whoever locks rows by it locks them in one order.
pub(super) fn hex_list(ids: impl Iterator<Item = Uuid>) -> String {
    let mut ids: Vec<Uuid> = ids.collect();
    ids.sort_unstable();
    ids.dedup();
    let mut text = String::with_capacity(2 + 35 * ids.len());
    text.push('[');
    for (at, id) in ids.iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        // Writing to a string does not fail.
        let _ = write!(text, "{comma}\"{}\"", id.simple());
    }
    text.push(']');
    text
}

/// A JSON array of names, each once.
pub(super) fn name_list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    names.dedup();
    json_text(&names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_sorted_and_stand_once() {
        let (low, high) = (Uuid::from_u128(1), Uuid::from_u128(0xff));
        let expected = format!("[\"{:0>32}\",\"{:0>32}\"]", 1, "ff");
        assert_eq!(hex_list([high, low, high].into_iter()), expected);
        assert_eq!(hex_list(std::iter::empty()), "[]");
    }

    #[test]
    fn names_are_quoted() {
        assert_eq!(name_list(["b", "a\"", "b"].into_iter()), r#"["a\"","b"]"#);
    }
}
