//! Arguments over the limit are refused before they are stored, whichever way they come.

use diesel::QueryResult;
use rstest::rstest;
use taskx::{ErrorKind, error_from_diesel, prelude::*};
use taskx_tests::{Engine, with_async_connection, with_connection};

use crate::Add;

#[rstest]
#[tokio::test]
async fn arguments_over_the_limit_are_refused_on_every_way_in(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
) {
    let Some(database) = engine.database() else { return };
    let fits = r#"{"left":1,"right":2}"#.len();
    let app = database.app().name("known").set(move |config| config.payload_limit = fits);
    let app = app.build().await.unwrap();
    let queue = app.queue();
    let over = || Add::apply(10, 2).to(queue);
    let mut refused = vec![
        over().await.unwrap_err(),
        over().enqueue_blocking().unwrap_err(),
        queue.apply_many([Add::apply(1, 2), Add::apply(10, 2)]).await.unwrap_err(),
    ];
    with_connection!(database, conn => {
        refused.push(error_from_diesel(over().on(&mut conn).unwrap_err()));
        let many: QueryResult<_> = queue.apply_many([over()]).on(&mut conn);
        refused.push(error_from_diesel(many.unwrap_err()));
    });
    with_async_connection!(database, conn => {
        refused.push(error_from_diesel(over().on_async(&mut conn).await.unwrap_err()));
    });
    for error in refused {
        assert_eq!(error.kind(), ErrorKind::Payload);
        let text = error.to_string();
        assert!(text.contains("21 bytes") && text.contains("limit is 20"), "{text}");
    }
    assert_eq!(database.number("SELECT COUNT(*) FROM taskx_jobs"), 0);
    Add::apply(1, 2).to(queue).await.unwrap();
    assert_eq!(database.number("SELECT COUNT(*) FROM taskx_jobs"), 1);
}
