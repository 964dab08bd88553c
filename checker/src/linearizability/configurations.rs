//! Sets of configurations of which none can do all that another can.

/// One bit for each operation in flight.
pub(crate) type Bits<const N: usize> = [u64; N];

pub(crate) fn has<const N: usize>(bits: &Bits<N>, slot: u32) -> bool {
    bits[slot as usize / 64] >> (slot % 64) & 1 == 1
}

pub(crate) fn set<const N: usize>(bits: &mut Bits<N>, slot: u32) {
    bits[slot as usize / 64] |= 1 << (slot % 64);
}

pub(crate) fn clear<const N: usize>(bits: &mut Bits<N>, slot: u32) {
    bits[slot as usize / 64] &= !(1 << (slot % 64));
}

/// The slots whose bits are set, rising.
pub(crate) fn ones<const N: usize>(bits: Bits<N>) -> impl Iterator<Item = u32> {
    bits.into_iter().enumerate().flat_map(|(position, mut word)| {
        std::iter::from_fn(move || {
            (word != 0).then(|| {
                let bit = word.trailing_zeros();
                word &= word - 1;
                position as u32 * 64 + bit
            })
        })
    })
}

/// A state, and what became of the operations in flight on the way to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Config<const N: usize> {
    pub state: u32,
    /// The last effect, where effects are traced.
    pub trail: u32,
    /// Operations that have taken effect.
    pub taken: Bits<N>,
    /// Operations that may be left out, or take effect later.
    pub free: Bits<N>,
    /// What it has used of the operations that never completed, each weighed by how scarce it is. Of ways to
    /// the same configuration the cheapest is remembered; that does not change what is possible.
    pub cost: u32,
    /// The same unweighed, by three bits for each class: for a quick look at which of two has used more of something.
    counts: [u64; 2],
    /// Whether another configuration has replaced it.
    pub dead: bool,
}

impl<const N: usize> Config<N> {
    pub(crate) fn new(state: u32) -> Self {
        Config {
            state,
            trail: u32::MAX,
            taken: [0; N],
            free: [0; N],
            cost: 0,
            counts: [0; 2],
            dead: false,
        }
    }

    /// Notes that it has used one more of a class of operations that never completed.
    pub(crate) fn spend(&mut self, class: usize) {
        let (word, shift) = (class / LANES % 2, class % LANES * 4);
        if self.counts[word] >> shift & 7 < 7 {
            self.counts[word] += 1 << shift;
        }
    }

    /// Whether it can do all that another with the same state can, as far as operations in flight go and the quick
    /// look at what was used.
    fn covers(&self, other: &Self, pure: &Bits<N>) -> bool {
        let mut worse = 0;
        for (word, pure) in pure.iter().enumerate() {
            let different = (self.taken[word] ^ other.taken[word]) & !self.free[word];
            worse |= different & !(pure & self.taken[word]);
            worse |= other.free[word] & !self.free[word];
        }
        for word in 0..2 {
            // A class of which it has used more borrows the bit above.
            worse |= !((other.counts[word] | ABOVE) - self.counts[word]) & ABOVE;
        }
        worse == 0
    }
}

/// How many classes are counted in a word, each with a spare bit above. Beyond two words, several share a count.
const LANES: usize = 16;
const ABOVE: u64 = 0x8888_8888_8888_8888;

const NONE: u32 = u32::MAX;
const BUCKETS: usize = 128;

/// Configurations, each with what it has used of the operations that never completed.
pub(crate) struct Set<const N: usize> {
    pub configs: Vec<Config<N>>,
    used: Vec<u16>,
    stride: usize,
    links: Vec<u32>,
    heads: Vec<u32>,
}

impl<const N: usize> Default for Set<N> {
    fn default() -> Self {
        Set {
            configs: Vec::new(),
            used: Vec::new(),
            stride: 0,
            links: Vec::new(),
            heads: vec![NONE; BUCKETS],
        }
    }
}

impl<const N: usize> Set<N> {
    pub(crate) fn clear(&mut self) {
        for config in &self.configs {
            self.heads[config.state as usize % BUCKETS] = NONE;
        }
        self.configs.clear();
        self.used.clear();
        self.links.clear();
    }

    pub(crate) fn bytes(&self) -> u64 {
        (self.configs.capacity() * size_of::<Config<N>>()
            + self.used.capacity() * 2
            + self.links.capacity() * 4) as u64
    }

    /// Makes room for one more count in each configuration; none has used any of it yet.
    pub(crate) fn widen(&mut self, stride: usize) {
        let mut used = Vec::with_capacity(self.configs.len() * stride);
        for place in 0..self.configs.len() {
            used.extend_from_slice(self.used(place));
            used.resize((place + 1) * stride, 0);
        }
        (self.used, self.stride) = (used, stride);
    }

    /// What a configuration has used.
    pub(crate) fn used(&self, place: usize) -> &[u16] {
        &self.used[place * self.stride..][..self.stride]
    }

    /// Adds a configuration, unless another can do all that it can; those that can do no more than it die.
    pub(crate) fn insert(&mut self, config: Config<N>, used: &[u16], pure: &Bits<N>) {
        let bucket = config.state as usize % BUCKETS;
        let mut at = self.heads[bucket];
        // The one before.
        let mut last = NONE;
        while at != NONE {
            let place = at as usize;
            at = self.links[place];
            let known = &self.configs[place];
            if known.state != config.state {
                last = place as u32;
                continue;
            }
            let spent = &self.used[place * self.stride..][..self.stride];
            if known.covers(&config, pure) && spent.iter().zip(used).all(|(known, new)| known <= new) {
                if config.cost < known.cost
                    && (known.taken, known.free) == (config.taken, config.free)
                    && spent == used
                {
                    let known = &mut self.configs[place];
                    (known.cost, known.trail) = (config.cost, config.trail);
                }
                return;
            }
            if config.covers(known, pure) && spent.iter().zip(used).all(|(known, new)| new <= known) {
                self.configs[place].dead = true;
                match self.links.get_mut(last as usize) {
                    Some(link) => *link = at,
                    None => self.heads[bucket] = at,
                }
            } else {
                last = place as u32;
            }
        }
        self.links.push(self.heads[bucket]);
        self.heads[bucket] = self.configs.len() as u32;
        self.configs.push(config);
        self.used.extend_from_slice(used);
    }

    /// Forgets the dead.
    pub(crate) fn bury(&mut self) {
        if self.configs.iter().any(|config| config.dead) {
            self.retain(|config| !config.dead);
        }
    }

    fn retain(&mut self, keeps: impl Fn(&Config<N>) -> bool) {
        let mut kept = 0;
        for place in 0..self.configs.len() {
            if keeps(&self.configs[place]) {
                self.configs[kept] = self.configs[place];
                self.used
                    .copy_within(place * self.stride..(place + 1) * self.stride, kept * self.stride);
                kept += 1;
            }
        }
        self.configs.truncate(kept);
        self.used.truncate(kept * self.stride);
        self.rebuild();
    }

    /// Finds configurations by their states again.
    pub(crate) fn rebuild(&mut self) {
        self.heads.fill(NONE);
        self.links.clear();
        for (place, config) in self.configs.iter().enumerate() {
            let head = &mut self.heads[config.state as usize % BUCKETS];
            self.links.push(std::mem::replace(head, place as u32));
        }
    }

    /// Keeps the cheapest, and of these those for which the fewest operations wait.
    pub(crate) fn keep_best(&mut self, most: usize, waiting: impl Fn(&Config<N>) -> usize) {
        let cost = |place: usize| {
            let config = &self.configs[place];
            (config.cost, waiting(config), place)
        };
        let mut costs: Vec<_> = (0..self.configs.len()).map(cost).collect();
        costs.sort_unstable();
        for &(_, _, place) in &costs[most.min(costs.len())..] {
            self.configs[place].dead = true;
        }
        self.bury();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(taken: u64, free: u64) -> Config<1> {
        Config {
            taken: [taken],
            free: [free],
            ..Config::new(7)
        }
    }

    #[test]
    fn what_is_worth_less_is_dropped() {
        let pure = [0b100];
        for (better, worse) in [
            ((0, 0b1), (0b1, 0)),
            ((0, 0b1), (0, 0)),
            ((0b100, 0), (0, 0)),
            ((0b100, 0b11), (0b10, 0b01)),
        ] {
            for turned in [false, true] {
                let mut set = Set::default();
                let (mut one, mut other) = (config(better.0, better.1), config(worse.0, worse.1));
                if turned {
                    std::mem::swap(&mut one, &mut other);
                }
                set.insert(one, &[], &pure);
                set.insert(other, &[], &pure);
                set.bury();
                assert_eq!(set.configs.len(), 1);
                assert_eq!((set.configs[0].taken[0], set.configs[0].free[0]), better);
            }
        }
        // A write that waits and one that has taken effect cannot be compared.
        let mut set = Set::default();
        set.insert(config(0b1, 0), &[], &pure);
        set.insert(config(0, 0), &[], &pure);
        set.bury();
        assert_eq!(set.configs.len(), 2);
    }

    #[test]
    fn what_has_used_less_is_kept() {
        let mut set = Set::default();
        set.widen(2);
        for used in [[1, 1], [2, 0], [0, 1], [0, 2], [2, 1]] {
            let cost = u32::from(used[0] + used[1]);
            set.insert(Config { cost, ..config(0, 0) }, &used, &[0]);
        }
        set.bury();
        let mut kept: Vec<&[u16]> = (0..set.configs.len()).map(|place| set.used(place)).collect();
        kept.sort_unstable();
        assert_eq!(kept, [&[0, 1][..], &[2, 0]]);
        set.keep_best(1, |_| 0);
        assert_eq!(set.used(0), [0, 1]);
    }

    #[test]
    fn the_quick_look_at_what_was_used_hides_nothing() {
        let mut random = 1u64;
        let mut draw = |below: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (random >> 33) % below
        };
        for classes in [3, 20, 40] {
            let mut set: Set<1> = Set::default();
            set.widen(classes);
            let mut all: Vec<Vec<u16>> = Vec::new();
            for _ in 0..300 {
                let mut used = vec![0; classes];
                let mut new = config(0, 0);
                // Some are used more often than can be counted in three bits.
                for _ in 0..15 + draw(15) {
                    let class = draw(3) as usize * (classes / 3);
                    used[class] += 1;
                    new.spend(class);
                }
                set.insert(new, &used, &[0]);
                all.push(used);
            }
            set.bury();
            let within = |one: &[u16], other: &[u16]| one.iter().zip(other).all(|(one, other)| one <= other);
            let mut best: Vec<&[u16]> = Vec::new();
            for used in &all {
                if !all.iter().any(|other| other != used && within(other, used)) && !best.contains(&&used[..])
                {
                    best.push(used);
                }
            }
            let mut kept: Vec<&[u16]> = (0..set.configs.len()).map(|place| set.used(place)).collect();
            kept.sort_unstable();
            best.sort_unstable();
            assert_eq!(kept, best);
            assert!(kept.len() > 1, "{classes}");
        }
    }
}
