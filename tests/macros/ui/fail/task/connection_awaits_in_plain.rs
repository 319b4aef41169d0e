use taskx::prelude::*;

#[task]
fn report(connection: &mut taskx::AsyncSqliteConn) {
    let _ = connection;
}

fn main() {}
