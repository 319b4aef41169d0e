//! Rebuilds when a migration is added: the macro that embeds them sees only the files of the last
//! build.

#[expect(clippy::print_stdout, reason = "this is how a build script speaks to cargo")]
fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
