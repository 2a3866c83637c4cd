// SPDX-License-Identifier: GPL-2.0

//! The registry's table, with hashes and storage of the tests' own.

use crate::table::{InsertError, Slot, Slots, Table};
use proptest::prelude::*;
use std::collections::HashMap;
use std::ops::{Deref, DerefMut};
use xxhash_rust::xxh64::xxh64;

/// Storage that holds so many slots and then has no memory for another.
struct Storage {
    slots: Vec<Slot>,
    room: usize,
}

impl Deref for Storage {
    type Target = [Slot];

    fn deref(&self) -> &[Slot] {
        &self.slots
    }
}

impl DerefMut for Storage {
    fn deref_mut(&mut self) -> &mut [Slot] {
        &mut self.slots
    }
}

impl Slots for Storage {
    fn try_push(&mut self, slot: Slot) -> bool {
        let fits = self.slots.len() < self.room;
        if fits {
            self.slots.push(slot);
        }
        fits
    }
}

/// The table as the registry uses it: it knows the ids, the table their hashes.
struct Registry {
    table: Table<Vec<u32>, Storage>,
    ids: Vec<Vec<u8>>,
    hash: fn(&[u8]) -> u64,
}

impl Registry {
    fn new(buckets: usize, capacity: u32, room: usize, hash: fn(&[u8]) -> u64) -> Self {
        let storage = Storage {
            slots: Vec::new(),
            room,
        };
        Self {
            // What the buckets contain at first must not matter.
            table: Table::new(vec![7; buckets], storage, capacity),
            ids: Vec::new(),
            hash,
        }
    }

    fn find(&self, id: &[u8]) -> Option<u32> {
        self.table
            .find((self.hash)(id), |number| self.ids[number as usize] == id)
    }

    fn install(&mut self, id: &[u8]) -> Result<u32, InsertError> {
        if let Some(number) = self.find(id) {
            return Ok(number);
        }
        let number = self.table.insert((self.hash)(id))?;
        assert_eq!(number as usize, self.ids.len());
        self.ids.push(id.to_vec());
        Ok(number)
    }
}

fn good(id: &[u8]) -> u64 {
    xxh64(id, 0)
}

fn all_collide(_: &[u8]) -> u64 {
    u64::MAX
}

/// Different hashes, the same bucket: the comparison of hashes, not of ids, tells them apart.
fn same_bucket(id: &[u8]) -> u64 {
    (good(id) >> 8) << 8
}

const HASHES: [fn(&[u8]) -> u64; 3] = [good, all_collide, same_bucket];

#[test]
fn an_empty_table_finds_nothing() {
    for hash in HASHES {
        let registry = Registry::new(16, 10, 10, hash);
        assert_eq!(registry.find(b"groups"), None);
        assert_eq!(registry.table.next_number(), Some(0));
    }
}

#[test]
fn a_full_table_refuses_and_keeps_what_it_has() {
    for hash in HASHES {
        let mut registry = Registry::new(4, 3, 10, hash);
        for (number, id) in [b"a", b"b", b"c"].iter().enumerate() {
            assert_eq!(registry.install(*id), Ok(number as u32));
        }
        assert_eq!(registry.table.next_number(), None);
        assert_eq!(registry.install(b"d"), Err(InsertError::Full));
        assert_eq!(registry.find(b"d"), None);
        assert_eq!(registry.install(b"b"), Ok(1));
    }
}

#[test]
fn without_memory_nothing_changes() {
    for hash in HASHES {
        let mut registry = Registry::new(4, 10, 2, hash);
        assert_eq!(registry.install(b"a"), Ok(0));
        assert_eq!(registry.install(b"b"), Ok(1));
        assert_eq!(registry.install(b"c"), Err(InsertError::NoMemory));
        assert_eq!(registry.find(b"c"), None);
        assert_eq!(registry.find(b"a"), Some(0));
        assert_eq!(registry.find(b"b"), Some(1));
        // With memory again, the number that was not given out is the next one.
        assert_eq!(registry.table.next_number(), Some(2));
    }
}

#[test]
fn a_table_without_buckets_or_numbers_refuses() {
    assert_eq!(
        Registry::new(0, 10, 10, good).install(b"a"),
        Err(InsertError::Full)
    );
    assert_eq!(
        Registry::new(4, 0, 10, good).install(b"a"),
        Err(InsertError::Full)
    );
}

#[test]
fn a_lookup_asks_only_about_ids_with_the_same_hash() {
    let mut registry = Registry::new(1, 2000, 2000, good);
    for number in 0..2000 {
        registry.install(format!("id{number}").as_bytes()).unwrap();
    }
    let mut asked = 0;
    let found = registry.table.find(good(b"id77"), |number| {
        asked += 1;
        number == 77
    });
    assert_eq!(found, Some(77));
    assert_eq!(asked, 1);
}

#[test]
fn lookups_walk_chains_of_entries_over_buckets() {
    // With a good hash no chain is much longer than the average: promise 6. The table does not
    // tell how long its chains are, but it asks about every entry whose hash is the same, so a
    // hash with as many values as there are buckets shows it.
    const BUCKETS: u64 = 512;
    fn coarse(id: &[u8]) -> u64 {
        good(id) % BUCKETS
    }
    let mut registry = Registry::new(BUCKETS as usize, 2000, 2000, coarse);
    for number in 0..2000 {
        registry.install(format!("id{number}").as_bytes()).unwrap();
    }
    let mut asked = 0u32;
    for number in 0..2000 {
        let id = format!("id{number}");
        registry.table.find(coarse(id.as_bytes()), |at| {
            asked += 1;
            registry.ids[at as usize] == id.as_bytes()
        });
    }
    let average = f64::from(asked) / 2000.0;
    assert!(average < 4.0, "{average} entries looked at on average");
}

proptest! {
    #[test]
    fn a_table_agrees_with_a_hash_map(
        ids in prop::collection::vec(prop::collection::vec(1u8..4, 1..6), 0..300),
        hash in prop::sample::select(&HASHES[..]),
        buckets in 1..40usize,
        capacity in 0..200u32,
        room in 0..200usize,
    ) {
        let mut registry = Registry::new(buckets, capacity, room, hash);
        let mut model: HashMap<Vec<u8>, u32> = HashMap::new();
        for id in ids {
            let next = model.len();
            let expected = match model.get(&id) {
                Some(&number) => Ok(number),
                None if next >= capacity as usize => Err(InsertError::Full),
                None if next >= room => Err(InsertError::NoMemory),
                None => Ok(next as u32),
            };
            prop_assert_eq!(registry.find(&id), model.get(&id).copied());
            prop_assert_eq!(registry.install(&id), expected);
            if let Ok(number) = expected {
                model.insert(id, number);
            }
            let next = model.len() as u32;
            prop_assert_eq!(registry.table.next_number(), (next < capacity).then_some(next));
        }
        for (id, &number) in &model {
            prop_assert_eq!(registry.find(id), Some(number));
        }
    }
}
