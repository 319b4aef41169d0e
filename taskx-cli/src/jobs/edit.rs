//! `taskx jobs edit`: other arguments for a job.

use std::{env, fs, io, process::Command};

use serde_json::{Map, Value, json};
use taskx_commands::{Failure, Output, actor};
use taskx_core::{
    app::App,
    inspect::Inspect,
    job::{Job, JobId},
};

use super::show::gone;

/// Changes the arguments of a job: to those given, or in the person's editor.
///
/// # Errors
/// If the job runs, has completed or is not there; if the new arguments are no JSON object.
pub(super) async fn edit(
    id: JobId,
    args: Option<&str>,
    app: &App,
    out: &mut Output,
) -> Result<(), Failure> {
    let job = app.queue().find(id).await?.ok_or_else(|| gone(id))?;
    let payload = match args {
        Some(args) => args.to_owned(),
        None => match edited(&job)? {
            Some(payload) => payload,
            None => return out.line("nothing was changed"),
        },
    };
    let object: Result<Map<String, Value>, _> = serde_json::from_str(&payload);
    if let Err(error) = object {
        return Err(Failure::usage(format!("the new arguments are no JSON object: {error}")));
    }
    if !app.queue().edit_payload(id, payload.trim_end(), &actor()).await? {
        return Err(Failure::failed(format!("job {id} is {} and cannot be edited", job.state))
            .mend("only the arguments of a job that waits or has died can be changed"));
    }
    if out.is_json() {
        return out.json(&json!({ "id": id, "done": "edited" }));
    }
    let hint = if job.state.is_finished() { "; `taskx jobs retry` runs it with them" } else { "" };
    out.line(format_args!("{id} has new arguments{hint}"))
}

/// The arguments as the person left them; `None` if as they were.
fn edited(job: &Job) -> Result<Option<String>, Failure> {
    let editor = env::var("VISUAL").or_else(|_| env::var("EDITOR")).map_err(|_| {
        Failure::usage("no editor is named").mend("set VISUAL or EDITOR, or give --args '{..}'")
    })?;
    // Laid out for eyes, if that changes no value: numbers beyond 64 bits would lose digits.
    let laid_out = serde_json::from_str::<Value>(&job.payload)
        .ok()
        .filter(|value| {
            value.to_string().len() == job.payload.split_whitespace().collect::<String>().len()
        })
        .and_then(|value| serde_json::to_string_pretty(&value).ok());
    let text = laid_out.unwrap_or_else(|| job.payload.clone());
    let failed = |error: io::Error| Failure::failed(format!("edit the arguments: {error}"));
    let file =
        tempfile::Builder::new().prefix("taskx-").suffix(".json").tempfile().map_err(failed)?;
    fs::write(file.path(), &text).map_err(failed)?;
    // An editor may come with options: `code --wait`.
    let mut words = editor.split_whitespace();
    let program = words.next().unwrap_or("vi");
    let status = Command::new(program).args(words).arg(file.path()).status().map_err(failed)?;
    if !status.success() {
        return Err(Failure::failed(format!("{editor}: {status}")));
    }
    let left = fs::read_to_string(file.path()).map_err(failed)?;
    Ok((left.trim_end() != text.trim_end()).then_some(left))
}
