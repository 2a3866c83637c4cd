// SPDX-License-Identifier: GPL-2.0

//! Says in the log, when it is loaded, what the kernel's xxh64 makes of ids of every length.
//!
//! For the test that compares that with the hash which the registry's tests on the host use. It
//! goes through the module's own abstraction, so it tests that as well.

use kernel::prelude::*;

#[path = "../../groups/abi/xxhash.rs"]
mod xxhash;

module! {
    type: Xxh64Ids,
    name: "xxh64_ids",
    authors: ["The groups developers"],
    description: "Test of groups.ko: what xxh64 makes of ids",
    license: "GPL v2",
}

struct Xxh64Ids;

impl kernel::Module for Xxh64Ids {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        for len in 1..=32usize {
            // The same ids as in vm/src/hash_test.rs.
            let mut id = [0u8; 32];
            for (at, byte) in id.iter_mut().enumerate() {
                *byte = (at * 7 + len * 13 + 1) as u8;
            }
            let hash = xxhash::xxh64(id.get(..len).unwrap_or(&id), 0);
            pr_info!("{len} = {hash:016x}\n");
        }
        Ok(Self)
    }
}
