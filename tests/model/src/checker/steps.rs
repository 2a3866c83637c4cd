// SPDX-License-Identifier: GPL-2.0

//! A sum that changes over time, and its extremes within a span.

/// A sum, by time.
pub struct Steps {
    times: Vec<u64>,
    /// A tree over the values from each time on: the leaves are in the second half, and each node
    /// is the extreme of its two children.
    tree: Vec<i64>,
    extreme: fn(i64, i64) -> i64,
}

impl Steps {
    /// What these changes, of a time and an amount, add up to. `extreme` is `min` or `max`.
    pub fn of(mut changes: Vec<(u64, i64)>, extreme: fn(i64, i64) -> i64) -> Self {
        changes.sort_unstable();
        let (mut times, mut values) = (vec![0], vec![0]);
        let mut sum = 0;
        for (time, amount) in changes {
            sum += amount;
            if times.last() == Some(&time) {
                values.pop();
            } else {
                times.push(time);
            }
            values.push(sum);
        }
        let leaves = values.len();
        let mut tree = vec![0; leaves];
        tree.extend(values);
        for node in (1..leaves).rev() {
            tree[node] = extreme(tree[2 * node], tree[2 * node + 1]);
        }
        Self {
            times,
            tree,
            extreme,
        }
    }

    /// The extreme of the sum from `start` to `end`.
    pub fn during(&self, start: u64, end: u64) -> i64 {
        let leaves = self.times.len();
        // The value at `start` is that from the last time that is not behind it.
        let mut from = self.times.partition_point(|&time| time <= start) - 1 + leaves;
        let mut until = self.times.partition_point(|&time| time <= end) + leaves;
        let mut result = self.tree[from];
        while from < until {
            if from % 2 == 1 {
                result = (self.extreme)(result, self.tree[from]);
                from += 1;
            }
            if until % 2 == 1 {
                until -= 1;
                result = (self.extreme)(result, self.tree[until]);
            }
            from /= 2;
            until /= 2;
        }
        result
    }
}
