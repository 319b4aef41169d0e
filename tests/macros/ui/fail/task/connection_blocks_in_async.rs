use diesel::SqliteConnection;
use taskx::prelude::*;

#[task]
async fn report(connection: &mut SqliteConnection) {
    let _ = connection;
}

fn main() {}
