//! The applier is as visible as its function, in a crate that denies what a crate can deny.
#![forbid(unsafe_code)]
#![deny(
    warnings,
    dead_code,
    missing_docs,
    missing_debug_implementations,
    non_camel_case_types,
    non_snake_case,
    rust_2018_idioms,
    single_use_lifetimes,
    trivial_casts,
    unreachable_pub,
    unused,
    unused_lifetimes,
    unused_qualifications,
    unused_results
)]

mod mail {
    use taskx::prelude::*;

    #[task]
    fn private(to: String) {
        drop(to);
    }

    #[task]
    pub(super) async fn for_parent(to: &str, #[arg(default)] copies: u32) {
        let _ = (to, copies);
    }

    #[task]
    pub(crate) fn for_crate(flag: bool) {
        let _ = flag;
    }

    pub(crate) mod deep {
        use taskx::prelude::*;

        #[task]
        pub(in crate::mail) fn for_mail() {}

        #[task]
        pub(crate) fn never_applied(to: String) {
            drop(to);
        }
    }

    pub(crate) fn apply() -> [&'static str; 2] {
        let _ = (Private::apply("a"), deep::ForMail { }.enqueue());
        [Private::NAME, deep::ForMail::NAME]
    }
}

fn main() {
    assert_eq!(mail::apply(), ["private", "for_mail"]);
    let _ = mail::ForParent { to: String::new(), copies: 1 }.enqueue();
    let _ = mail::ForCrate::apply(true);
}
