//! The runner against environments in virtual time.

mod hostile;
mod toy;
mod whole;
