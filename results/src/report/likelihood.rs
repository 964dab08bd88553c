//! How probable the failure had become over the time of the run, drawn as steps.

use super::charts::{TOP, Tick, x_of};
use super::picture::px;
use crate::evidence::Evidence;
use crate::likelihood::{LikelihoodRecord, MomentRecord};
use crate::words;

/// The curve, over the axis that all charts share.
#[derive(Debug)]
pub(crate) struct Curve {
    pub sentence: String,
    /// A dot for each moment: where, and what it says.
    pub dots: Vec<Dot>,
    pub path: String,
    /// From where to where it was decided.
    pub decisive: Option<(f64, f64)>,
    pub happened: Vec<String>,
    pub ticks: Vec<Tick>,
    pub bottom: f64,
}

/// A moment.
#[derive(Debug)]
pub(crate) struct Dot {
    pub x: f64,
    pub y: f64,
    pub title: String,
}

const BOTTOM: f64 = 126.0;
/// A decisive stretch is at least this wide, in pixels.
const NARROWEST: f64 = 3.0;

impl Curve {
    pub(crate) fn of(evidence: &Evidence) -> Option<Self> {
        let record = evidence.likelihood.as_ref()?;
        let end = evidence.end();
        let y_of = |share: f64| px(BOTTOM - (BOTTOM - TOP) * share);
        let dots: Vec<Dot> = record
            .moments
            .iter()
            .map(|moment| Dot {
                x: px(x_of(moment.at, end)),
                y: y_of(moment.share()),
                title: format!(
                    "{}: {} of {} branches failed",
                    words::moment(moment.at),
                    moment.failed,
                    moment.branches
                ),
            })
            .collect();
        let points: Vec<String> = dots.iter().map(|dot| format!("{} {}", dot.x, dot.y)).collect();
        let decisive = decisive(record).map(|(from, to)| {
            let (from, to) = (x_of(from.at, end), x_of(to.at, end));
            (px(from), px((to - from).max(NARROWEST)))
        });
        Some(Curve {
            sentence: sentence(record),
            path: format!("M{}", points.join("L")),
            dots,
            decisive,
            happened: record.decisive.as_ref().map_or_else(Vec::new, |decisive| {
                decisive
                    .happened
                    .iter()
                    .map(|line| words::tame(line, 400))
                    .collect()
            }),
            ticks: [0, 50, 100]
                .map(|percent| Tick {
                    at: y_of(f64::from(percent) / 100.0),
                    label: format!("{percent} %"),
                })
                .into(),
            bottom: BOTTOM,
        })
    }
}

/// The moments around what decided it, if their places are there.
fn decisive(record: &LikelihoodRecord) -> Option<(&MomentRecord, &MomentRecord)> {
    let decisive = record.decisive.as_ref()?;
    Some((
        record.moments.get(decisive.from)?,
        record.moments.get(decisive.to)?,
    ))
}

fn percent(moment: &MomentRecord) -> String {
    format!("{:.0} %", moment.share() * 100.0)
}

fn sentence(record: &LikelihoodRecord) -> String {
    let property = words::tame(&record.property, 80);
    match (decisive(record), record.moments.first()) {
        (Some((from, to)), _) => format!(
            "Had all that came later been left to chance, {property} would have broken in {} of the branches at {}, and in {} at \
             {}: what decided it lies in between.",
            percent(from),
            words::moment(from.at),
            percent(to),
            words::moment(to.at)
        ),
        (None, Some(first)) => format!(
            "No moment was decisive: from the start, {property} broke in {} of the branches.",
            percent(first)
        ),
        (None, None) => "No branch was tried.".to_owned(),
    }
}
