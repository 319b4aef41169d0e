//! The disk is full for a while.

use std::{
    fs, io,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use rustix::process::geteuid;
use tempfile::TempDir;
use xtask::servers::{Durability, Settings};

use super::{Outcome, Size};
use crate::{engine::Engine, world::World};

/// A small disk in memory, gone when this is dropped.
struct Disk(TempDir);

impl Disk {
    /// `None` where we may not mount one.
    fn mount(megabytes: u32) -> Result<Option<Self>> {
        let folder = TempDir::new()?;
        let size = format!("size={megabytes}m,mode=0777");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder.path());
        let mounted = geteuid().is_root() && mount.stderr(Stdio::null()).status()?.success();
        Ok(mounted.then_some(Self(folder)))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Leaves so many kibibytes free.
    fn fill(&self, leave: u64) -> Result<()> {
        let stat = rustix::fs::statvfs(self.path())?;
        let free = stat.f_bavail * stat.f_frsize;
        let filler = vec![0; usize::try_from(free.saturating_sub(leave << 10))?];
        match fs::write(self.path().join("filler"), filler) {
            // The database grew meanwhile: full it is.
            Err(error) if error.kind() == io::ErrorKind::StorageFull => Ok(()),
            written => written.context("fill the disk"),
        }
    }

    fn free(&self) -> Result<()> {
        fs::remove_file(self.path().join("filler")).context("free the disk")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(self.path()).status());
    }
}

/// Jobs flow, the disk is full, jobs cannot flow, there is room again, jobs flow.
pub(super) fn full(engine: Engine, size: Size, seed: u64) -> Result<Option<Outcome>> {
    let megabytes = match engine {
        Engine::Sqlite => 24,
        Engine::Postgres | Engine::Mysql if size.everything => 300,
        Engine::Postgres | Engine::Mysql => return Ok(None),
    };
    let Some(disk) = Disk::mount(megabytes)? else { return Ok(None) };
    let mut settings = Settings::new(Durability::Default);
    settings.parent = Some(disk.path().to_owned());
    let mut world = World::open_in(engine, seed, Some(&settings))?;
    world.warm_up(3, 2)?;
    disk.fill(if engine == Engine::Sqlite { 64 } else { 1_024 })?;
    thread::sleep(Duration::from_secs(8));
    let alive = world.workers.iter_mut().filter_map(|worker| worker.ended()).count() == 0;
    disk.free()?;
    if let Some(server) = &mut world.server {
        // PostgreSQL ends itself where it cannot write its log.
        world.deeds.server_crashed = true;
        server.restart()?;
    }
    world.warm_up(3, 2)?;
    let verdict = world.settle_down()?;
    let mut outcome = Outcome::of("the disk was full for 8 s", verdict);
    outcome.require(alive, "a worker ended when the disk was full");
    drop(world);
    Ok(Some(outcome))
}
