//! The table: medians over the pairs, and how each case stands to what it is held against.

use std::fmt::{self, Display, Formatter, Write as _};

use crate::{
    cases::{Bar, Case},
    run::Run,
};

/// What a bar came to.
struct Verdict {
    share: f64,
    bar: Bar,
    is_judged: bool,
}

/// The tables of one engine as Markdown, and whether every bar was reached. Bars are judged only
/// where a run was whole: with few jobs, what is done once a run weighs too much.
pub(crate) fn tables(head: &str, cases: &[Case], runs: &[Run], is_whole: bool) -> (String, bool) {
    let mut text = format!("### {head}\n\n");
    text += "| case | jobs/s, median [least..most] | client µs/job | server µs/job | log B/job \
             | commits/job | dead rows/job | peak RSS MiB | held against |\n\
             |-|-|-|-|-|-|-|-|-|\n";
    let mut fine = true;
    for case in cases {
        let of_case: Vec<&Run> = runs.iter().filter(|run| run.case == case.name).collect();
        if of_case.is_empty() || of_case.iter().any(|run| is_latency(run)) {
            continue;
        }
        let verdicts = verdicts(case, runs, is_whole);
        fine &= !is_whole || verdicts.iter().all(|verdict| verdict.share >= verdict.bar.least);
        row(&mut text, case, &of_case, &verdicts);
    }
    latencies(&mut text, cases, runs);
    (text, fine)
}

fn row(text: &mut String, case: &Case, runs: &[&Run], verdicts: &[Verdict]) {
    let rates: Vec<f64> = runs.iter().map(|run| run.measured.rate()).collect();
    let of = |figure: fn(&Run) -> f64| median(runs.iter().map(|run| figure(run)).collect());
    let (least, most) = (
        rates.iter().copied().fold(f64::INFINITY, f64::min),
        rates.iter().copied().fold(0.0, f64::max),
    );
    let held: Vec<String> = verdicts.iter().map(ToString::to_string).collect();
    // Writing to a string does not fail.
    let _ = writeln!(
        text,
        "| {} | {:.0} [{least:.0}..{most:.0}] | {:.1} | {:.1} | {:.0} | {:.3} | {:.2} | {:.0} | {} |",
        case.name,
        median(rates),
        of(|run| per_job(run, run.measured.cpu * 1e6)),
        of(|run| per_job(run, run.server.cpu * 1e6)),
        of(|run| per_job(run, run.log() as f64)),
        of(|run| per_job(run, run.server.commits as f64)),
        of(|run| per_job(run, run.server.dead as f64)),
        of(|run| run.measured.peak_rss as f64 / f64::from(1 << 20)),
        held.join(", "),
    );
}

fn latencies(text: &mut String, cases: &[Case], runs: &[Run]) {
    let mut rows = String::new();
    for case in cases {
        let of_case = || runs.iter().filter(|run| run.case == case.name && is_latency(run));
        if of_case().next().is_none() {
            continue;
        }
        let of = |figure: fn(&Run) -> Option<f64>| median(of_case().filter_map(figure).collect());
        let _ = writeln!(
            rows,
            "| {} | {:.2} / {:.2} | {:.2} / {:.2} |",
            case.name,
            of(|run| Some(run.measured.after_return?.p50)),
            of(|run| Some(run.measured.after_return?.p99)),
            of(|run| Some(run.measured.after_call?.p50)),
            of(|run| Some(run.measured.after_call?.p99)),
        );
    }
    if !rows.is_empty() {
        *text += "\n| ms, p50 / p99 | from the enqueue's return | from its call |\n|-|-|-|\n";
        *text += &rows;
    }
}

fn is_latency(run: &Run) -> bool {
    run.measured.after_call.is_some()
}

impl Run {
    /// The bytes of its log: the server's, or what an embedded database wrote itself.
    fn log(&self) -> u64 {
        if self.server.log > 0 { self.server.log } else { self.measured.written }
    }
}

/// A figure by the job; an idle worker's by the second.
fn per_job(run: &Run, figure: f64) -> f64 {
    if run.measured.jobs == 0 {
        figure / run.measured.seconds
    } else {
        figure / run.measured.jobs as f64
    }
}

fn verdicts(case: &Case, runs: &[Run], is_judged: bool) -> Vec<Verdict> {
    let of = |bar: &Bar| {
        let shares: Vec<f64> = runs
            .iter()
            .filter(|run| run.case == case.name)
            .filter_map(|run| {
                let other = runs
                    .iter()
                    .find(|other| other.case == bar.against && other.pair == run.pair)?;
                Some(run.measured.rate() / other.measured.rate())
            })
            .collect();
        (!shares.is_empty()).then(|| Verdict { share: median(shares), bar: bar.clone(), is_judged })
    };
    case.bars.iter().filter_map(of).collect()
}

impl Display for Verdict {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Bar { against, least } = &self.bar;
        if !self.is_judged {
            return write!(out, "{:.2} × {against}", self.share);
        }
        let word = if self.share >= *least { "ok" } else { "MISSED" };
        write!(out, "{:.2} × {against} (≥ {least}: {word})", self.share)
    }
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_unstable_by(f64::total_cmp);
    let middle = figures.len() / 2;
    match (figures.get(middle.wrapping_sub(1)), figures.get(middle)) {
        (Some(low), Some(high)) if figures.len().is_multiple_of(2) => f64::midpoint(*low, *high),
        (_, Some(one)) => *one,
        _ => 0.0,
    }
}
