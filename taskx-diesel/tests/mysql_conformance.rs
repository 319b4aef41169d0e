//! The rules of every store, kept by MySQL. Without `TASKX_TEST_MYSQL` (the URL of a server without
//! a database, `mysql://root@127.0.0.1:3306/`) each rule says that it was left out.
#![cfg(feature = "mysql")]
#![expect(clippy::unwrap_used, reason = "these are tests")]

mod mysql_database;

use std::time::Duration;

use async_trait::async_trait;
use diesel_async::{AsyncConnection, AsyncMysqlConnection, SimpleAsyncConnection};
use mysql_database::Database;
use taskx_core::{
    error::Result,
    job::WorkerId,
    store::{NewWorker, News, Store},
    testing::conformance::Fixture,
};
use taskx_diesel::{MysqlOptions, MysqlStore};

/// A migrated database of its own, with a session.
struct Mysql {
    store: MysqlStore,
    database: Database,
}

#[async_trait]
impl Fixture for Mysql {
    fn store(&self) -> &dyn Store {
        &self.store
    }

    async fn reopen(&self) -> Result<Box<dyn Store>> {
        let store = MysqlStore::connect(&self.database.url, MysqlOptions::default()).await?;
        Ok(Box::new(store))
    }
}

async fn open() -> Option<Mysql> {
    let database = Database::create()?;
    let store = MysqlStore::connect(&database.url, MysqlOptions::default()).await.unwrap();
    store.migrate().await.unwrap();
    Some(Mysql { store, database })
}

taskx_core::conformance!(open);

/// While somebody alters the table of jobs, a worker cannot look into it, and is there all the same.
#[tokio::test]
async fn a_table_that_is_locked_costs_no_presence() {
    let Some(db) = open().await else { return };
    let here = db.reopen().await.unwrap();
    let worker = NewWorker {
        id: WorkerId::new(),
        service: "shop".into(),
        host: "here".into(),
        pid: 1,
        version: "1".into(),
        lease: Duration::from_secs(30),
        tasks: Vec::new(),
    };
    here.register(&worker).await.unwrap();
    let owner = worker.id;
    assert!(here.hold_presence(owner).await.unwrap());
    let queues = ["default".to_owned()];
    assert!(here.look_around(owner, &queues).await.unwrap().is_some());
    let mut altering = AsyncMysqlConnection::establish(&db.database.url).await.unwrap();
    altering.batch_execute("LOCK TABLES taskx_jobs WRITE").await.unwrap();
    assert_eq!(here.look_around(owner, &queues).await.unwrap(), None);
    assert_eq!(db.store.suspects(&[]).await.unwrap().found, []);
    altering.batch_execute("UNLOCK TABLES").await.unwrap();
    assert_eq!(here.look_around(owner, &queues).await.unwrap(), Some(News::default()));
}
