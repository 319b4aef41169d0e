//! The webapp over real HTTP: what a visitor does, what the jobs then do, and what is refused.

use std::{fs, io::Cursor};

use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use taskx::{
    App, Config, Job, JobState,
    inspect::{Inspect, JobFilter, Page},
};
use tempfile::TempDir;
use ureq::{Agent, http::Response};

use crate::{
    databases::Database,
    program::{LIMIT, Program, eventually},
};

#[test]
fn on_sqlite() {
    a_visit(&Database::sqlite());
}

#[cfg(feature = "postgres")]
#[test]
fn on_postgres() {
    if let Some(database) = Database::postgres() {
        a_visit(&database);
    }
}

#[cfg(feature = "mysql")]
#[test]
fn on_mysql() {
    if let Some(database) = Database::mysql() {
        a_visit(&database);
    }
}

fn a_visit(database: &Database) {
    let mut site = Site::start(database);
    let (status, page) = site.get("/");
    assert_eq!(status, 200);
    assert!(page.contains("No job yet") && page.contains("No picture yet"), "{page}");

    signing_up_sends_one_mail(&site);
    an_upload_becomes_thumbnails(&site);
    what_is_no_picture_is_refused(&site);
    a_broken_picture_is_given_up(&site);
    other_addresses_are_not_found(&site);

    // Of all this, three jobs: what was refused has left none.
    let mut states: Vec<_> = site.jobs().into_iter().map(|job| (job.task, job.state)).collect();
    states.sort();
    assert_eq!(
        states,
        [
            ("email_task".to_owned(), JobState::Completed),
            ("thumbnail_task".to_owned(), JobState::Completed),
            ("thumbnail_task".to_owned(), JobState::Discarded),
        ]
    );
    site.program.terminate();
    assert!(site.program.wait().success());
}

fn signing_up_sends_one_mail(site: &Site) {
    let form = [("name", "Ada <b>King</b>"), ("email", " Ada@Example.com ")];
    assert_eq!(site.post("/members", &form).0, 303);
    let job = site.finished("email_task");
    assert_eq!(job.state, JobState::Completed);

    let (status, refusal) = site.post("/members", &form);
    assert_eq!(status, 409);
    assert!(refusal.contains("signed up already"), "{refusal}");
    for (name, email) in [("", "eve@example.com"), ("Eve", "no address"), ("Eve", "")] {
        assert_eq!(site.post("/members", &[("name", name), ("email", email)]).0, 422);
    }
    assert_eq!(site.post("/members", &[("name", "Eve")]).0, 422);

    let (_, page) = site.get("/");
    assert!(page.contains("Ada &#60;b&#62;King&#60;/b&#62;"), "{page}");
    assert!(!page.contains("<b>King"), "what visitors write is escaped");
    assert!(page.contains("ada@example.com") && !page.contains("Eve"));

    let mails: Vec<_> = fs::read_dir(site.data().join("outbox")).unwrap().collect();
    let [mail] = mails.as_slice() else { panic!("{} mails", mails.len()) };
    let mail = fs::read_to_string(mail.as_ref().unwrap().path()).unwrap();
    assert!(mail.contains("<ada@example.com>") && mail.contains("Subject: Welcome"), "{mail}");
}

fn an_upload_becomes_thumbnails(site: &Site) {
    let picture = RgbImage::from_fn(1200, 900, |x, y| {
        Rgb([(x / 5) as u8, (y / 4) as u8, ((x + y) / 9) as u8])
    });
    assert_eq!(site.upload("<sunset>.jpg", &encoded(picture, ImageFormat::Jpeg)).0, 303);
    let job = site.finished("thumbnail_task");
    assert_eq!(job.state, JobState::Completed, "{:?}", job.reason);

    let (_, page) = site.get("/live");
    assert!(page.contains("&#60;sunset&#62;.jpg"), "{page}");
    let (_, rest) = page.split_once("src=\"").expect("the page shows the picture");
    let (address, _) = rest.split_once('"').unwrap();
    let address = address.strip_suffix("/640").expect(address);
    for (edge, width, height) in [(1280, 1200, 900), (640, 640, 480), (320, 320, 240)] {
        let mut answer = site.agent.get(site.url(&format!("{address}/{edge}"))).call().unwrap();
        assert_eq!(answer.headers()["content-type"], "image/jpeg");
        let bytes = answer.body_mut().read_to_vec().unwrap();
        let thumbnail = image::load_from_memory(&bytes).unwrap();
        assert_eq!((thumbnail.width(), thumbnail.height()), (width, height));
    }
    for wrong in ["/321", "/x", "/640/..", ""] {
        assert_eq!(site.get(&format!("{address}{wrong}")).0, 404, "{wrong}");
    }
}

fn what_is_no_picture_is_refused(site: &Site) {
    assert_eq!(site.upload("notes.jpg", b"only text").0, 415);
    assert_eq!(site.upload("nothing.jpg", b"").0, 422);
    let (status, page) = site.upload("large.png", &vec![0; (16 << 20) + 1]);
    assert_eq!(status, 413);
    assert!(page.contains("larger than 16 MiB"), "{page}");
    // A header that promises more pixels than are taken; nothing of it is decoded.
    let mut bomb = encoded(RgbImage::new(1, 1), ImageFormat::Png);
    bomb[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
    assert_eq!(site.upload("bomb.png", &bomb).0, 415);
    assert_eq!(site.post("/pictures", &[("picture", "no file")]).0, 400);
    let kept = fs::read_dir(site.data().join("pictures")).unwrap().count();
    assert_eq!(kept, 4, "one upload and its three thumbnails");
}

fn a_broken_picture_is_given_up(site: &Site) {
    let mut picture = encoded(RgbImage::new(600, 400), ImageFormat::Png);
    picture.truncate(picture.len() / 2);
    assert_eq!(site.upload("half.png", &picture).0, 303);
    let job = eventually("the broken picture's end", || {
        site.jobs().into_iter().find(|job| job.state == JobState::Discarded)
    });
    assert_eq!(job.attempt, 1, "another attempt would find the same");
    let reason = job.reason.unwrap();
    let (_, page) = site.get("/live");
    let shown = page.contains("half.png") && page.contains("1 discarded");
    assert!(shown && !reason.is_empty(), "{reason}: {page}");
}

fn other_addresses_are_not_found(site: &Site) {
    for address in
        ["/nothing", "/pictures/x/640", "/pictures/..%2F..%2Fwebapp.db/640", "/live/../../x"]
    {
        let (status, page) = site.get(address);
        assert_eq!(status, 404, "{address}");
        assert!(page.contains("<!doctype html>"), "{page}");
    }
    let answer = site.agent.get(site.url("/")).call().unwrap();
    let policy = answer.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
}

fn encoded(picture: RgbImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    DynamicImage::from(picture).write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// A running webapp, a visitor, and a look into its queue.
struct Site {
    program: Program,
    address: String,
    agent: Agent,
    runtime: tokio::runtime::Runtime,
    app: App,
    folder: TempDir,
}

impl Site {
    fn start(database: &Database) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut program =
            Program::start("webapp", folder.path(), Some(&database.url), &["127.0.0.1:0"]);
        let address = program.line();
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(LIMIT))
            .build()
            .new_agent();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let app = App::builder().config(Config::default()).database_url(&database.url).build();
        let app = runtime.block_on(app).unwrap();
        Self { program, address, agent, runtime, app, folder }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.address)
    }

    fn get(&self, path: &str) -> (u16, String) {
        read(self.agent.get(self.url(path)).call().unwrap())
    }

    fn post(&self, path: &str, form: &[(&str, &str)]) -> (u16, String) {
        read(self.agent.post(self.url(path)).send_form(form.iter().copied()).unwrap())
    }

    fn upload(&self, name: &str, bytes: &[u8]) -> (u16, String) {
        let head = format!(
            "--edge\r\ncontent-disposition: form-data; name=\"picture\"; filename=\"{name}\"\r\n\
             content-type: application/octet-stream\r\n\r\n"
        );
        let body = [head.as_bytes(), bytes, b"\r\n--edge--\r\n"].concat();
        let request = self
            .agent
            .post(self.url("/pictures"))
            .header("content-type", "multipart/form-data; boundary=edge");
        read(request.send(&body).unwrap())
    }

    /// Where the webapp keeps its files.
    fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("webapp-data")
    }

    fn jobs(&self) -> Vec<Job> {
        let all = JobFilter::default();
        self.runtime.block_on(self.app.queue().list(&all, Page::default())).unwrap()
    }

    /// The one job of a task, when it has ended.
    fn finished(&self, task: &str) -> Job {
        eventually(task, || {
            self.jobs().into_iter().find(|job| job.task == task && job.state.is_finished())
        })
    }
}

fn read(mut answer: Response<ureq::Body>) -> (u16, String) {
    (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
}
