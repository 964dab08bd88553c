//! The report: one page, offline, for whoever has to understand what happened.
//!
//! `page` gathers what the template shows; each of the other modules knows one part of it. Whatever comes from
//! a history or a log is data: it is escaped by the template library, or put into JSON that no markup can leave.

mod availability;
mod charts;
mod likelihood;
mod logs;
mod messages;
mod nodes;
mod page;
mod picture;
mod quorum;
mod scale;
pub mod store;
mod story;
mod tables;
mod timeline;

pub use page::render;
pub(crate) use picture::focus;
pub(crate) use picture::says_something;
pub(crate) use tables::judgements;
