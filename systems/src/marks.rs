//! Marks: places in a protocol's code that a campaign should reach.
//!
//! "Found nothing" says little of what was never tried. A system declares its marks in one place, its code says when one
//! is reached, and whoever runs it asks in the end which were: those that no run reached were not tested.

/// A mark, as whoever reports it shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The name: `stale-log-refused`.
    pub name: &'static str,
    /// What is reached there.
    pub about: &'static str,
}

/// Marks that were reached, by their places in the system's list; no system has more than 64.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks(u64);

impl Marks {
    /// With one more.
    #[must_use]
    pub fn with(self, place: u8) -> Self {
        Marks(self.0 | 1 << (place & 63))
    }

    /// Those in either.
    #[must_use]
    pub fn and(self, other: Marks) -> Self {
        Marks(self.0 | other.0)
    }

    /// Of a system's marks, those that were reached.
    pub fn of(self, all: &'static [Mark]) -> impl Iterator<Item = &'static Mark> {
        all.iter()
            .zip(0..64u8)
            .filter(move |(_, place)| self.0 & (1 << place) != 0)
            .map(|(mark, _)| mark)
    }
}

/// Declares a system's marks: an enumeration for its code, and the list for whoever reports them.
macro_rules! marks {
    ($($variant:ident = $name:literal: $about:literal,)*) => {
        /// A place in the protocol's code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Place {
            $(#[doc = $about] $variant,)*
        }

        /// All marks, in the order of `Place`.
        pub const MARKS: &[$crate::marks::Mark] = &[
            $($crate::marks::Mark { name: $name, about: $about },)*
        ];

        const _: () = assert!(MARKS.len() <= 64, "a set of marks has 64 places");
    };
}
pub(crate) use marks;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_marks_tells_which_were_reached() {
        const ALL: &[Mark] = &[
            Mark { name: "a", about: "" },
            Mark { name: "b", about: "" },
            Mark { name: "c", about: "" },
        ];
        let reached = Marks::default().with(2).and(Marks::default().with(0)).with(2);
        let names: Vec<&str> = reached.of(ALL).map(|mark| mark.name).collect();
        assert_eq!(names, ["a", "c"]);
    }
}
