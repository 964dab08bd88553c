//! Quorum NWR on a bed that loses, doubles and delays messages, and kills nodes.

mod bed;
mod correct;
mod disks;
