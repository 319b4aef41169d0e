//! The pages: forms that become rows and jobs.

use askama::Template;
use axum::{
    Form, Router,
    body::Body,
    extract::{
        DefaultBodyLimit, Multipart, Path, State,
        multipart::{Field, MultipartError, MultipartRejection},
        rejection::FormRejection,
    },
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware::map_response,
    response::{Html, IntoResponse, Redirect, Response},
    routing::{MethodRouter, get, post},
};
use lettre::Address;
use serde::Deserialize;
use taskx::App;
use uuid::Uuid;

use crate::{
    database::{Database, Member},
    error::{Answer, Trouble},
    live::{Live, live},
    pictures::{Edge, Pictures},
};

/// The largest picture that is taken, in bytes.
const MOST_BYTES: usize = 16 << 20;

/// More than this is not even read to its end.
const MOST_READ: usize = 64 << 20;

/// The most characters of a name or title, as the columns have it.
const MOST_CHARACTERS: usize = 190;

/// Nothing but what this server sends is shown or run.
const HEADERS: [(HeaderName, &str); 2] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; connect-src 'self'; img-src 'self'; script-src 'self'; \
         style-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
];

/// What every handler needs.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) app: App,
    pub(crate) database: Database,
    pub(crate) pictures: Pictures,
}

/// All routes.
pub(crate) fn router(site: Site) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/live", get(live))
        .route("/members", post(sign_up))
        .route("/pictures", post(upload))
        .route("/pictures/{id}/{edge}", get(thumbnail))
        .route("/style.css", embedded("text/css", include_str!("static/style.css")))
        .route("/live.js", embedded("text/javascript", include_str!("static/live.js")))
        .route("/icon.svg", embedded("image/svg+xml", include_str!("static/icon.svg")))
        .fallback(async || Trouble::not_found())
        .layer(DefaultBodyLimit::max(MOST_READ))
        .layer(map_response(guard))
        .with_state(site)
}

/// A file that is compiled in.
fn embedded(kind: &'static str, text: &'static str) -> MethodRouter<Site> {
    get(async move || ([(header::CONTENT_TYPE, kind)], text))
}

async fn guard(mut response: Response) -> Response {
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

#[derive(Template)]
#[template(path = "index.html")]
struct Index {
    members: Vec<Member>,
    live: Live,
}

async fn index(State(site): State<Site>) -> Answer<Html<String>> {
    let page = Index { members: site.database.members(8).await?, live: Live::look(&site).await? };
    Ok(Html(page.render()?))
}

#[derive(Deserialize)]
struct SignUp {
    name: String,
    email: String,
}

async fn sign_up(
    State(site): State<Site>,
    form: Result<Form<SignUp>, FormRejection>,
) -> Answer<Redirect> {
    let Form(SignUp { name, email }) =
        form.map_err(|refused| Trouble::new(refused.status(), refused.body_text()))?;
    let name = short(&name).ok_or_else(|| unprocessable("Please give a name."))?;
    let email = email.trim().to_lowercase();
    let address: Result<Address, _> = email.parse();
    if address.is_err() || email.chars().count() > MOST_CHARACTERS {
        return Err(unprocessable("This is no mail address."));
    }
    let member = Member { id: Uuid::now_v7().to_string(), email, name };
    if !site.database.sign_up(&member).await? {
        return Err(Trouble::new(StatusCode::CONFLICT, "This address is signed up already."));
    }
    Ok(Redirect::to("/"))
}

async fn upload(
    State(site): State<Site>,
    form: Result<Multipart, MultipartRejection>,
) -> Answer<Redirect> {
    let mut form = form.map_err(|refused| Trouble::new(refused.status(), refused.body_text()))?;
    let mut picture = None;
    while let Some(field) = form.next_field().await.map_err(refused)? {
        if field.name() == Some("picture") {
            let title = field.file_name().and_then(short).unwrap_or_else(|| "untitled".to_owned());
            picture = Some((title, read(field).await?));
        }
    }
    let Some((title, bytes)) = picture.filter(|(_, bytes)| !bytes.is_empty()) else {
        return Err(unprocessable("Please choose a picture."));
    };
    if Pictures::check(&bytes).is_err() {
        let text = "Only JPEG and PNG pictures of at most 12,000 pixels a side are taken.";
        return Err(Trouble::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, text));
    }
    let id = Uuid::now_v7();
    let pictures = site.pictures.clone();
    tokio::task::spawn_blocking(move || pictures.keep(id, &bytes)).await??;
    if let Err(error) = site.database.add_picture(id, &title).await {
        site.pictures.forget(id)?;
        return Err(error.into());
    }
    Ok(Redirect::to("/"))
}

/// Reads an upload. One that is too large is read to its end all the same, or the visitor's browser
/// would show a broken connection instead of the error page.
async fn read(mut field: Field<'_>) -> Answer<Vec<u8>> {
    let (mut bytes, mut size) = (Vec::new(), 0);
    while let Some(chunk) = field.chunk().await.map_err(refused)? {
        size += chunk.len();
        if size <= MOST_BYTES {
            bytes.extend_from_slice(&chunk);
        }
    }
    if size > MOST_BYTES {
        let text = format!("The picture is larger than {} MiB.", MOST_BYTES >> 20);
        return Err(Trouble::new(StatusCode::PAYLOAD_TOO_LARGE, text));
    }
    Ok(bytes)
}

async fn thumbnail(State(site): State<Site>, Path((id, edge)): Path<(String, String)>) -> Answer {
    // An id and a number that is made, so no other file can be named.
    let id: Option<Uuid> = id.parse().ok();
    let edge = edge.parse().ok().and_then(Edge::find);
    let (Some(id), Some(edge)) = (id, edge) else { return Err(Trouble::not_found()) };
    let file = tokio::fs::read(site.pictures.thumbnail(id, edge)).await;
    let bytes = file.map_err(|_| Trouble::not_found())?;
    let headers =
        [(header::CONTENT_TYPE, "image/jpeg"), (header::CACHE_CONTROL, "max-age=86400, immutable")];
    Ok((headers, Body::from(bytes)).into_response())
}

/// A text without blanks around it, cut to what a column holds; `None` if nothing is left.
fn short(text: &str) -> Option<String> {
    let text: String = text.trim().chars().take(MOST_CHARACTERS).collect();
    (!text.is_empty()).then_some(text)
}

fn unprocessable(text: &str) -> Trouble {
    Trouble::new(StatusCode::UNPROCESSABLE_ENTITY, text)
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` hands over")]
fn refused(error: MultipartError) -> Trouble {
    Trouble::new(error.status(), error.body_text())
}
