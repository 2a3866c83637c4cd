// SPDX-License-Identifier: GPL-2.0

//! What of the module has been reached: its places (the calls of the tracer in its code, one in
//! each basic block), and the steps from place to place.

use crate::sites::Sites;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Steps are told apart by a hash of so many bits.
const STEP_BITS: u32 = 16;

/// A set of small numbers, which several processes can add to.
#[derive(Clone, Copy)]
struct SharedSet(&'static [AtomicU64]);

impl SharedSet {
    fn add(&self, number: usize) {
        if let Some(word) = self.0.get(number / 64) {
            let bit = 1 << (number % 64);
            if word.load(Relaxed) & bit == 0 {
                word.fetch_or(bit, Relaxed);
            }
        }
    }

    fn clear(&self) {
        self.0.iter().for_each(|word| word.store(0, Relaxed));
    }
}

/// What one program reaches. Shared by its processes and the fuzzer.
#[derive(Clone, Copy)]
pub struct Reached {
    places: SharedSet,
    steps: SharedSet,
}

impl Reached {
    /// How many words [`Reached::new`] needs for so many places.
    pub fn words(places: usize) -> usize {
        places.div_ceil(64) + (1 << STEP_BITS) / 64
    }

    pub fn new(places: usize, words: &'static [AtomicU64]) -> Self {
        let (places, steps) = words.split_at(places.div_ceil(64));
        Self {
            places: SharedSet(places),
            steps: SharedSet(steps),
        }
    }

    pub fn clear(&self) {
        self.places.clear();
        self.steps.clear();
    }

    /// Adds what a task came by in one call.
    pub fn add(&self, addresses: impl Iterator<Item = u64>, sites: &Sites) {
        let mut before = 0;
        for place in addresses.filter_map(|address| sites.find(address)) {
            self.places.add(place);
            let step = (before as u64 ^ ((place as u64) << 24)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            self.steps.add((step >> (64 - STEP_BITS)) as usize);
            before = place + 1;
        }
    }
}

/// All that has been reached so far, or that one input reaches.
#[derive(Clone, Default)]
pub struct Coverage {
    places: Vec<u64>,
    steps: Vec<u64>,
}

fn load(set: SharedSet) -> Vec<u64> {
    set.0.iter().map(|word| word.load(Relaxed)).collect()
}

fn count(words: &[u64]) -> usize {
    words.iter().map(|word| word.count_ones() as usize).sum()
}

/// How many of `words` are not in `all`.
fn count_new(words: &[u64], all: &[u64]) -> usize {
    let old = all.iter().copied().chain(std::iter::repeat(0));
    let new = words.iter().zip(old).map(|(new, old)| new & !old);
    new.map(|word| word.count_ones() as usize).sum()
}

fn merge(words: &[u64], all: &mut Vec<u64>) {
    all.resize(all.len().max(words.len()), 0);
    all.iter_mut()
        .zip(words)
        .for_each(|(all, word)| *all |= word);
}

impl Coverage {
    pub fn of(reached: &Reached) -> Self {
        Self {
            places: load(reached.places),
            steps: load(reached.steps),
        }
    }

    /// Adds these places, in no order.
    pub fn add_places(&mut self, places: impl Iterator<Item = usize>) {
        for place in places {
            self.places.resize(self.places.len().max(place / 64 + 1), 0);
            self.places[place / 64] |= 1 << (place % 64);
        }
    }

    pub fn add(&mut self, other: &Self) {
        merge(&other.places, &mut self.places);
        merge(&other.steps, &mut self.steps);
    }

    /// How many places and steps are here that are not in `all`.
    pub fn beyond(&self, all: &Self) -> (usize, usize) {
        let places = count_new(&self.places, &all.places);
        (places, count_new(&self.steps, &all.steps))
    }

    /// What is here and not in `all`.
    pub fn without(&self, all: &Self) -> Self {
        let subtract = |from: &[u64], what: &[u64]| {
            let what = what.iter().copied().chain(std::iter::repeat(0));
            from.iter()
                .zip(what)
                .map(|(from, what)| from & !what)
                .collect()
        };
        Self {
            places: subtract(&self.places, &all.places),
            steps: subtract(&self.steps, &all.steps),
        }
    }

    pub fn has_place(&self, place: usize) -> bool {
        let word = self.places.get(place / 64).copied().unwrap_or(0);
        (word >> (place % 64)) & 1 != 0
    }

    pub fn places(&self) -> usize {
        count(&self.places)
    }

    pub fn steps(&self) -> usize {
        count(&self.steps)
    }
}
