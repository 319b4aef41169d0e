//! A connection by `&mut`: a transaction that also completes the job.

use diesel::SqliteConnection;
use taskx::prelude::*;

pub struct Prices;

#[task]
fn plain(connection: &mut SqliteConnection, order: u64, prices: &Prices, ctx: &Ctx) -> Result<u64> {
    let _ = (connection, prices, ctx.fence());
    Ok(order)
}

#[task]
async fn driven(title: &str, connection: &mut taskx::AsyncSqliteConn, ctx: &Ctx) -> Result {
    let _ = (title, connection, ctx.fence());
    std::future::ready(()).await;
    Ok(())
}

fn main() {
    let _ = Plain::apply(7);
    let _ = Driven::apply("a");
}
