//! Faults as data: the vocabulary, whom they hit, and plans derived from a seed.
//!
//! This crate decides what is to be broken and when; it breaks nothing itself. A [`Plan`] is a list of
//! [`Step`]s in time; whoever runs it resolves the targets that are only known then (the leader) with a
//! [`Situation`], carries the faults out, and says whether they bit.
//!
//! ```
//! use perjury_nemesis::{Nemesis, Options, plan, stream};
//!
//! let nemesis: Nemesis = "partition,kill".parse()?;
//! let plan = plan(&nemesis, &Options::new(5, 30_000), &mut stream(7, "nemesis"))?;
//! assert!(plan.validate(5).is_ok());
//! # Ok::<(), perjury_nemesis::NemesisError>(())
//! ```

pub mod describe;
pub mod draw;
pub mod fault;
pub mod menu;
pub mod plan;
pub mod schedule;
pub mod shapes;
pub mod situation;
pub mod streams;

pub use describe::describe;
pub use draw::Class;
pub use fault::{Bend, Crash, Defect, Fault, Grudge, Link, Node, Packets, Resolved, Shape, Target, kinds};
pub use menu::{Entry, MENU, Nemesis, NemesisError, Part};
pub use plan::{Plan, PlanError, Step, StepKind};
pub use schedule::{Options, plan};
pub use situation::Situation;
pub use streams::stream;
