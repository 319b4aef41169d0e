//! What a visitor sees when something is wrong.

use askama::Template;
use axum::{
    http::StatusCode,
    response::{Html, IntoResponse, Response},
};

/// What a handler answers.
pub(crate) type Answer<T = Response> = Result<T, Trouble>;

/// An error page to be.
#[derive(Debug)]
pub(crate) struct Trouble {
    status: StatusCode,
    text: String,
}

impl Trouble {
    /// The visitor's to mend: `text` says how.
    pub(crate) fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into() }
    }

    /// Nothing is at this address.
    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "There is nothing at this address.")
    }
}

/// Ours to mend: the log gets the cause, the visitor does not.
impl<E: Into<anyhow::Error>> From<E> for Trouble {
    fn from(error: E) -> Self {
        tracing::error!("{:#}", error.into());
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "Something went wrong here. Nothing was stored; please try again.",
        )
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    status: StatusCode,
    text: &'a str,
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let page = ErrorPage { status: self.status, text: &self.text };
        match page.render() {
            Ok(html) => (self.status, Html(html)).into_response(),
            Err(_) => (self.status, self.text).into_response(),
        }
    }
}
