//! Dying as a machine does that loses power: what had not been fsynced is gone, or torn.

use std::process;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use perjury_systems::replica::Lsn;
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use super::config::{Report, Tail};
use super::disk::{Job, Piece};
use super::storage::Store;

/// How long the node goes on with a disk that stands still, so that there is something to lose.
const AT_LEAST: Duration = Duration::from_millis(200);

/// When it dies even if there is nothing to lose.
const AT_MOST: Duration = Duration::from_millis(600);

/// Collects what should have been written, says what is lost, leaves what `tail` says, and never returns.
pub(super) fn crash(store: &mut Store, tail: Tail, inbox: &mpsc::Receiver<Job>, mut rng: ChaCha8Rng) -> ! {
    let begin = Instant::now();
    let mut held: Vec<Piece> = Vec::new();
    let mut lost_records = 0;
    loop {
        let end = if lost_records > 0 { AT_LEAST } else { AT_MOST };
        let Some(left) = end.checked_sub(begin.elapsed()) else {
            break;
        };
        match inbox.recv_timeout(left) {
            Ok(Job::Write(pieces)) => {
                for piece in pieces {
                    if let Piece::Frames { starts, .. } = &piece {
                        lost_records += starts.len() as u64;
                    }
                    held.push(piece);
                }
            }
            Ok(Job::Ail(_) | Job::Crash(_)) => {}
            Err(_) => break,
        }
    }
    let mut torn_bytes = 0;
    if tail == Tail::Torn
        && let Some(prefix) = torn_prefix(&held, &mut rng)
        && store.write(&prefix, Lsn(0)).is_ok()
    {
        torn_bytes = prefix.len() as u64;
    }
    let report = Report::Crashing {
        lost_records,
        torn_bytes,
    };
    report.say();
    let _ = kill(Pid::this(), Signal::SIGKILL);
    process::abort()
}

/// The bytes up to a point inside one of the records that wait.
fn torn_prefix(held: &[Piece], rng: &mut ChaCha8Rng) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut starts = Vec::new();
    for piece in held {
        match piece {
            Piece::Frames {
                bytes: more,
                starts: begins,
                ..
            } => {
                starts.extend(begins.iter().map(|start| bytes.len() + start));
                bytes.extend_from_slice(more);
            }
            // Nothing that follows a snapshot is written before it is durable.
            Piece::Snapshot { .. } => break,
            Piece::Release(_) => {}
        }
    }
    if starts.is_empty() {
        return None;
    }
    let torn = rng.random_range(0..starts.len());
    let begin = starts[torn];
    let end = starts.get(torn + 1).copied().unwrap_or(bytes.len());
    bytes.truncate(rng.random_range(begin + 1..end));
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;

    #[test]
    fn a_torn_prefix_always_ends_inside_a_record() {
        let held = || {
            let frames = |bytes: &[u8], starts: &[usize], last| Piece::Frames {
                bytes: bytes.to_vec(),
                starts: starts.to_vec(),
                last: Lsn(last),
            };
            vec![
                frames(b"aaaabbb", &[0, 4], 2),
                Piece::Release(Lsn(1)),
                frames(b"cccccc", &[0], 3),
            ]
        };
        for seed in 0..200 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let prefix = torn_prefix(&held(), &mut rng).expect("there is something to tear");
            assert!(
                ![0, 4, 7, 13].contains(&prefix.len()),
                "{prefix:?} ends with a whole record"
            );
        }
    }
}
