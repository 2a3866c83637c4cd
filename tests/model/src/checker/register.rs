// SPDX-License-Identifier: GPL-2.0

//! A number that several processes set: which values it can have had at a time.

use crate::history::Entry;

/// The least and the greatest value, from each time at which that changes.
pub struct Register {
    times: Vec<u64>,
    spans: Vec<(u64, u64)>,
}

/// A value that the number may have.
struct Candidate {
    value: u64,
    /// When it was set for sure, if it was.
    end: u64,
}

impl Register {
    pub fn of(initial: u64, calls: &[&Entry]) -> Self {
        let done = |call: &&&Entry| call.may_be_done();
        let calls: Vec<_> = calls.iter().filter(done).collect();
        // A call adds its value when it begins. When it ends, all values go that had been set
        // before it began.
        let starts = (0..calls.len()).map(|call| (calls[call].start, 0, call));
        let ends = (0..calls.len()).filter(|&call| calls[call].is_decided());
        let ends = ends.map(|call| (calls[call].end, 1, call));
        let mut events: Vec<_> = starts.chain(ends).collect();
        events.sort_unstable();

        let mut candidates = vec![Candidate {
            value: initial,
            end: 0,
        }];
        let (mut times, mut spans) = (vec![0], vec![(initial, initial)]);
        for (time, what, call) in events {
            let call = calls[call];
            if what == 0 {
                candidates.push(Candidate {
                    value: u64::from(call.argument),
                    end: call.end,
                });
            } else {
                candidates.retain(|candidate| candidate.end >= call.start);
            }
            let values = || candidates.iter().map(|candidate| candidate.value);
            let (least, greatest) = (values().min(), values().max());
            times.push(time);
            spans.push((
                least.expect("the number has a value"),
                greatest.expect("the number has a value"),
            ));
        }
        Self { times, spans }
    }

    /// The least and the greatest value that it can have had between these times.
    pub fn during(&self, start: u64, end: u64) -> (u64, u64) {
        let from = self.times.partition_point(|&time| time < start).max(1) - 1;
        let until = self.times.partition_point(|&time| time <= end).max(1);
        let spans = &self.spans[from..until];
        let least = spans.iter().map(|span| span.0).min();
        let greatest = spans.iter().map(|span| span.1).max();
        (
            least.expect("it has a value at any time"),
            greatest.expect("it has a value at any time"),
        )
    }
}
