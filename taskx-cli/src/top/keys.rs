//! What keys do.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use taskx_commands::actor;
use taskx_core::{
    app::App,
    error::{Result, chain},
    inspect::{Cancelled, Inspect},
    job::JobId,
};

use super::screen::{Focus, Screen};

/// What is to be done to the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    /// Nothing.
    Nothing,
    /// Look at once: something else is to be listed.
    Look,
    Pause(String),
    Resume(String),
    Retry(JobId),
    Cancel(JobId),
}

/// Whether a key says to quit, unless it answers a question.
pub(super) fn is_quit(key: &KeyEvent) -> bool {
    matches!(key.code, KeyCode::Char('q') | KeyCode::Esc)
}

/// Whether a key says to quit in any case: Ctrl-C.
pub(super) fn is_interrupt(key: &KeyEvent) -> bool {
    key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL)
}

impl Screen {
    /// Takes a key in; `None` means quit.
    pub(super) fn press(&mut self, key: KeyEvent) -> Option<Action> {
        if is_interrupt(&key) {
            return None;
        }
        if let Some(action) = self.asked.take() {
            self.message.clear();
            let is_yes = matches!(key.code, KeyCode::Char('y' | 'Y'));
            return Some(if is_yes { action } else { Action::Nothing });
        }
        match key.code {
            _ if is_quit(&key) => return None,
            KeyCode::Tab | KeyCode::BackTab => {
                self.focus = match self.focus {
                    Focus::Queues => Focus::Jobs,
                    Focus::Jobs => Focus::Queues,
                };
            }
            KeyCode::Down | KeyCode::Char('j') => self.step(1),
            KeyCode::Up | KeyCode::Char('k') => self.step(-1),
            KeyCode::Char('s') => {
                self.listed = self.listed.next();
                self.job_at = 0;
                return Some(Action::Look);
            }
            KeyCode::Char('p') => return Some(self.pause_or_resume()),
            KeyCode::Char('r') => {
                return Some(self.job().map_or(Action::Nothing, |job| Action::Retry(job.id)));
            }
            KeyCode::Char('c') => {
                if let Some(id) = self.job().map(|job| job.id) {
                    self.message = format!("cancel job {id}? y/n");
                    self.asked = Some(Action::Cancel(id));
                }
            }
            _ => {}
        }
        Some(Action::Nothing)
    }

    fn step(&mut self, by: isize) {
        let (at, length) = match self.focus {
            Focus::Queues => (&mut self.queue_at, self.queues.len()),
            Focus::Jobs => (&mut self.job_at, self.jobs.len()),
        };
        *at = at.saturating_add_signed(by).min(length.saturating_sub(1));
    }

    fn pause_or_resume(&self) -> Action {
        let Some(queue) = self.queue() else { return Action::Nothing };
        let name = queue.info.name.clone();
        if queue.info.paused_at.is_some() { Action::Resume(name) } else { Action::Pause(name) }
    }

    /// Does an action; answers whether the database is to be looked at again at once.
    pub(super) async fn act(&mut self, action: Action, app: &App) -> bool {
        match self.done(&action, app).await {
            Ok(Some(message)) => self.message = message,
            Ok(None) => {}
            Err(error) => self.message = chain(&error),
        }
        action != Action::Nothing
    }

    async fn done(&self, action: &Action, app: &App) -> Result<Option<String>> {
        let (queue, by) = (app.queue(), actor());
        Ok(Some(match action {
            Action::Nothing | Action::Look => return Ok(None),
            Action::Pause(name) => {
                queue.pause(name, "", &by).await?;
                format!("queue {name} is paused")
            }
            Action::Resume(name) => {
                queue.resume(name, &by).await?;
                format!("queue {name} goes on")
            }
            Action::Retry(id) => match queue.retry(&[*id], &by).await? {
                0 => format!("job {id} was left as it is: it runs, waits or has completed"),
                _ => format!("job {id} is available again"),
            },
            Action::Cancel(id) => match queue.cancel(*id, &by).await? {
                Cancelled::Cancelled => format!("job {id} is cancelled"),
                Cancelled::Requested => format!("job {id} has been asked to stop"),
                Cancelled::AlreadyFinished => format!("job {id} had finished"),
                Cancelled::NotFound => format!("job {id} is gone"),
            },
        }))
    }
}
