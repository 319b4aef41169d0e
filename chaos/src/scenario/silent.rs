//! A network that loses everything and says nothing: no end of a connection, no reset.
//!
//! A proxy cannot make one, for its kernel goes on acknowledging what it receives. Two ends of a
//! virtual cable can, one of them in a network namespace of its own, with a worker in it.

use std::{
    net::Ipv4Addr,
    process::{self, Command},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use rustix::process::geteuid;
use xtask::tools;

use super::{Outcome, Size};
use crate::{
    engine::Engine,
    ledger::{Ledger, span},
    proxy::Proxy,
    tasks::micros,
    world::World,
};

/// How long nothing passes: longer than others may take until they take over.
const CUT: Duration = Duration::from_secs(45);

/// How soon the worker must know of it.
const NOTICED: Duration = Duration::from_millis(5_500);

/// How soon others must run the jobs that it held: its lease, and the look after it.
const TAKEN_OVER: Duration = Duration::from_secs(35);

/// How soon after the repair it must run jobs again.
const RESUMED: Duration = Duration::from_secs(5);

/// A namespace that only a cable leads into; gone when this is dropped.
struct Cable {
    namespace: String,
    end: String,
    /// The address of the end that is outside.
    outside: Ipv4Addr,
}

impl Cable {
    /// `None` where we may not lay one.
    fn lay() -> Result<Option<Self>> {
        if !geteuid().is_root() || !tools::has_ip() {
            return Ok(None);
        }
        let id = process::id();
        let [outside, inside] = addresses(id);
        let cable = Self { namespace: format!("taskx{id}"), end: format!("txa{id}"), outside };
        let (namespace, end, far) = (&cable.namespace, &cable.end, format!("txb{id}"));
        ip(&format!("netns add {namespace}"))?;
        ip(&format!("link add {end} type veth peer name {far} netns {namespace}"))?;
        ip(&format!("addr add {outside}/30 dev {end}"))?;
        ip(&format!("link set {end} up"))?;
        ip(&format!("-n {namespace} addr add {inside}/30 dev {far}"))?;
        ip(&format!("-n {namespace} link set {far} up"))?;
        Ok(Some(cable))
    }

    fn cut(&self) -> Result<()> {
        ip(&format!("link set {} down", self.end))
    }

    fn mend(&self) -> Result<()> {
        ip(&format!("link set {} up", self.end))
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        // The cable goes with the namespace of one of its ends.
        let _ = ip(&format!("netns delete {}", self.namespace));
    }
}

/// Of the cable's two ends: a network of four link-local addresses, another one for each process, so
/// that engines may be tried side by side.
fn addresses(id: u32) -> [Ipv4Addr; 2] {
    let [_, _, third, fourth] = (id << 2).to_be_bytes();
    [1, 2].map(|end| Ipv4Addr::new(169, 254, third, fourth + end))
}

fn ip(words: &str) -> Result<()> {
    let status = Command::new("ip").args(words.split(' ')).status().context("run ip")?;
    if !status.success() {
        bail!("ip {words}: {status}");
    }
    Ok(())
}

/// A worker behind the cable and three beside it; the cable is cut and mended.
pub(super) fn silent(engine: Engine, _size: Size, seed: u64) -> Result<Option<Outcome>> {
    let mut world = World::open(engine, seed)?;
    let Some(port) = world.server.as_ref().map(xtask::servers::Server::port) else {
        return Ok(None);
    };
    let Some(cable) = Cable::lay()? else { return Ok(None) };
    let proxy = Proxy::start(cable.outside, port)?;
    world.detour = Some(proxy.detour(&world.url, port));
    world.around = ["ip", "netns", "exec", &cable.namespace].map(str::to_owned).to_vec();
    world.keep_workers(1)?;
    let remote = world.workers.first().context("a worker")?.pid();
    (world.detour, world.around) = (None, Vec::new());
    world.warm_up(4, 2)?;
    while !world.ledger()?.begun.iter().any(|run| run.pid == remote) {
        world.warm_up(4, 2)?;
    }
    let cut = micros();
    cable.cut()?;
    thread::sleep(CUT);
    cable.mend()?;
    let mended = micros();
    thread::sleep(RESUMED * 2);
    let alive = world.workers.iter_mut().all(|worker| worker.ended().is_none());
    let verdict = world.settle_down()?;
    let ledger = world.ledger()?;

    let noticed = ledger.troubles.iter().filter(|(pid, at)| *pid == remote && *at > cut);
    let noticed = noticed.map(|(_, at)| span(cut, *at)).min();
    let resumed = ledger.begun.iter().filter(|run| run.pid == remote && run.at > mended);
    let resumed = resumed.map(|run| span(mended, run.at)).min();
    let taken_over = taken_over(&ledger, remote, cut);
    let done = format!(
        "cut off for {CUT:?}: noticed after {noticed:.2?}, {} jobs taken over after {:.2?} at most, \
         jobs run there again after {resumed:.2?}",
        taken_over.len(),
        taken_over.last(),
    );
    let mut outcome = Outcome::of(done, verdict);
    outcome.require(alive, "a worker ended when it was cut off");
    outcome.aim(noticed.is_some_and(|after| after <= NOTICED), format!("noticed: {noticed:?}"));
    let in_time = taken_over.last().is_none_or(|after| *after <= TAKEN_OVER);
    outcome.aim(in_time, format!("taken over after {:?}", taken_over.last()));
    outcome.aim(resumed.is_some_and(|after| after <= RESUMED), format!("resumed: {resumed:?}"));
    Ok(Some(outcome))
}

/// From the cut until others ran each job again that the worker had last begun, sorted.
fn taken_over(ledger: &Ledger, remote: u32, cut: u128) -> Vec<Duration> {
    let held = ledger.begun.iter().filter(|run| run.pid == remote && run.at <= cut);
    let again = held.filter_map(|run| {
        let later = ledger.begun.iter().filter(|next| next.job == run.job && next.at > cut);
        later.filter(|next| next.pid != remote).map(|next| span(cut, next.at)).min()
    });
    let mut again: Vec<_> = again.collect();
    again.sort_unstable();
    again
}
