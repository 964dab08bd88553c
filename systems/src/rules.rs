//! The rules that a protocol's proof rests on, as a node follows them, and how a mistake takes the place of one.
//!
//! A mutant replaces exactly one rule. The rule is evaluated all the same, to count how often the mistake changed a
//! decision.

use std::cell::Cell;

use crate::marks::Marks;
use crate::replica::{ConfigError, MutantCounts, MutantInfo};

/// When a message may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// Once everything that the node has written is durable.
    Durable,
    /// At once.
    Open,
}

/// The rules of one protocol as one node follows them; `S` is the mistakes that there can be.
#[derive(Clone, Debug)]
pub struct Rules<S> {
    swap: Option<S>,
    counts: Cell<MutantCounts>,
    marks: Cell<Marks>,
}

impl<S> Default for Rules<S> {
    fn default() -> Self {
        Rules {
            swap: None,
            counts: Cell::default(),
            marks: Cell::default(),
        }
    }
}

impl<S: Copy> Rules<S> {
    /// The correct rules but for one.
    pub fn with(swap: S) -> Self {
        Rules {
            swap: Some(swap),
            counts: Cell::default(),
            marks: Cell::default(),
        }
    }

    /// How often the swapped rule was asked, and decided otherwise than the correct one.
    pub fn counts(&self) -> MutantCounts {
        self.counts.get()
    }

    /// The marks that were reached.
    pub fn marks(&self) -> Marks {
        self.marks.get()
    }

    /// A mark is reached, by its place in the system's list.
    pub(crate) fn reach(&self, place: u8) {
        self.marks.set(self.marks.get().with(place));
    }

    /// Asserts what the correct protocol guarantees; with a mistake planted, anything may happen.
    pub(crate) fn ensure(&self, holds: bool, what: &str) {
        debug_assert!(holds || self.swap.is_some(), "{what}");
    }

    pub(crate) fn swap(&self) -> Option<S> {
        self.swap
    }

    pub(crate) fn judge<T: PartialEq>(&self, right: T, wrong: T) -> T {
        let mut counts = self.counts.get();
        counts.reached += 1;
        counts.differed += u64::from(right != wrong);
        self.counts.set(counts);
        wrong
    }
}

/// A planted bug: what `list mutants` shows, and the mistake.
#[derive(Clone, Copy, Debug)]
pub struct Mutant<S> {
    /// Its description.
    pub info: MutantInfo,
    /// The mistake.
    pub swap: S,
}

/// How many planted bugs these files hold.
pub(crate) const fn count<S>(files: &[&[Mutant<S>]]) -> usize {
    let (mut file, mut count) = (0, 0);
    while file < files.len() {
        count += files[file].len();
        file += 1;
    }
    count
}

/// The descriptions of all of these files, in order.
pub(crate) const fn infos<S, const N: usize>(files: &[&[Mutant<S>]]) -> [MutantInfo; N] {
    let mut infos = [files[0][0].info; N];
    let (mut file, mut count) = (0, 0);
    while file < files.len() {
        let mut place = 0;
        while place < files[file].len() {
            infos[count] = files[file][place].info;
            count += 1;
            place += 1;
        }
        file += 1;
    }
    infos
}

/// A planted bug of `system` by its name, with or without the system's; none for the correct build.
///
/// # Errors
/// If the system has no such bug.
pub(crate) fn find<S: Copy>(
    system: &str,
    files: &[&[Mutant<S>]],
    name: Option<&str>,
) -> Result<Option<S>, ConfigError> {
    let Some(name) = name else {
        return Ok(None);
    };
    let short = |name| match str::split_once(name, '/') {
        Some((of, short)) if of == system => short,
        _ => name,
    };
    let mut all = files.iter().copied().flatten();
    match all.find(|mutant| short(mutant.info.name) == short(name)) {
        Some(mutant) => Ok(Some(mutant.swap)),
        None => Err(ConfigError(format!(
            "{system} has no mutant `{}`; `perjury list mutants` names them all",
            short(name)
        ))),
    }
}

/// The rules of a protocol: for each the function, the name of the mistake that replaces it, and its signature.
macro_rules! rules {
    ($($file:ident :: $name:ident = $swap:ident ($($arg:ident: $type:ty),*) -> $out:ty;)*) => {
        /// The rules as one node follows them.
        pub type Rules = $crate::rules::Rules<Swap>;

        /// A mistake, and the rule that it replaces.
        #[derive(Clone, Copy, Debug)]
        pub enum Swap {
            $(
                #[doc = concat!("Replaces [`", stringify!($file), "::", stringify!($name), "`].")]
                $swap(fn($($type),*) -> $out),
            )*
        }

        impl Swap {
            /// The rule's name, with its file's: `elections::may_vote_for`.
            pub fn rule(&self) -> &'static str {
                match self {
                    $(Swap::$swap(_) => concat!(stringify!($file), "::", stringify!($name)),)*
                }
            }
        }

        impl $crate::rules::Rules<Swap> {
            $(
                #[doc = concat!("See [`", stringify!($file), "::", stringify!($name), "`].")]
                #[inline]
                pub(crate) fn $name(&self, $($arg: $type),*) -> $out {
                    let right = $file::$name($($arg),*);
                    match self.swap() {
                        Some(Swap::$swap(wrong)) => self.judge(right, wrong($($arg),*)),
                        _ => right,
                    }
                }
            )*
        }
    };
}
pub(crate) use rules;

/// A system's planted bugs, from the files that describe them, each of which has its `MUTANTS`.
macro_rules! mutants {
    ($system:literal: $($file:ident),+ $(,)?) => {
        use super::rules::{Rules, Swap};

        type Mutant = $crate::rules::Mutant<Swap>;

        const FILES: &[&[Mutant]] = &[$($file::MUTANTS),+];

        /// All planted bugs, as `list mutants` shows them.
        pub const MUTANTS: &[$crate::replica::MutantInfo] =
            &$crate::rules::infos::<Swap, { $crate::rules::count(FILES) }>(FILES);

        #[doc = concat!("A planted bug by its name, with or without `", $system, "/`; none for the correct build.")]
        ///
        /// # Errors
        /// If there is no such bug.
        pub(crate) fn find(name: Option<&str>) -> Result<Option<Swap>, $crate::replica::ConfigError> {
            $crate::rules::find($system, FILES, name)
        }

        /// The rules as a node follows them, with a mistake planted if there is one of that name.
        pub(crate) fn rules(name: Option<&str>) -> Rules {
            find(name).ok().flatten().map_or_else(Rules::default, Rules::with)
        }
    };
}
pub(crate) use mutants;
