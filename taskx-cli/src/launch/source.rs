//! Whether a main file marks its binary as an application of taskx.

use std::{fs, path::Path};

use syn::{Attribute, ItemFn, Path as Words, visit::Visit};

/// Whether the file uses `#[taskx::main]` or `taskx::cli::intercept`, taskx being called `taskx` or
/// whatever the manifest calls it. A file that cannot be read or parsed does not: cargo tells why.
pub(super) fn is_application(file: &Path, taskx: &str) -> bool {
    fs::read_to_string(file).is_ok_and(|text| has_mark(&text, taskx))
}

fn has_mark(text: &str, taskx: &str) -> bool {
    let Ok(file) = syn::parse_file(text) else { return false };
    let mut marks = Marks { taskx, found: false };
    marks.visit_file(&file);
    marks.found
}

struct Marks<'t> {
    taskx: &'t str,
    found: bool,
}

impl Marks<'_> {
    fn is_main(&self, attribute: &Attribute) -> bool {
        words(attribute.path()).eq([self.taskx, "main"])
    }
}

fn words(path: &Words) -> impl Iterator<Item = String> {
    path.segments.iter().map(|segment| segment.ident.to_string())
}

impl<'ast> Visit<'ast> for Marks<'_> {
    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.found |= function.attrs.iter().any(|attribute| self.is_main(attribute));
        syn::visit::visit_item_fn(self, function);
    }

    fn visit_path(&mut self, path: &'ast Words) {
        let all: Vec<_> = words(path).collect();
        self.found |= all.ends_with(&["cli".to_owned(), "intercept".to_owned()]);
        syn::visit::visit_path(self, path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_attribute_and_the_call_are_marks() {
        assert!(has_mark("#[taskx::main(setup = setup)] async fn main(app: App) {}", "taskx"));
        assert!(has_mark("async fn main() { taskx::cli::intercept(&app).await; }", "taskx"));
        assert!(has_mark("#[jobs::main] async fn main() {}", "jobs"));
    }

    #[test]
    fn words_in_comments_and_texts_are_none() {
        assert!(!has_mark("// #[taskx::main]\nfn main() {}", "taskx"));
        assert!(!has_mark("fn main() { println!(\"taskx::cli::intercept\"); }", "taskx"));
        assert!(!has_mark("#[tokio::main] async fn main() {}", "taskx"));
        assert!(!has_mark("#[taskx::main] async fn main(", "taskx"));
    }
}
