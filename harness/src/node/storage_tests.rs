use super::*;

fn open(directory: &Path) -> Opened<u64> {
    super::open::<u64>(directory, false).expect("no damage")
}

fn write(store: &mut Store, values: &[u64]) {
    let mut bytes = Vec::new();
    let mut scratch = Vec::new();
    let mut lsn = store.end();
    for value in values {
        lsn.0 += 1;
        encode_record(lsn, value, &mut scratch, &mut bytes);
    }
    store.write(&bytes, lsn).expect("written");
    store.sync().expect("synced");
}

fn values(opened: &Opened<u64>) -> Vec<u64> {
    opened.durable.records.iter().map(|(_, value)| *value).collect()
}

/// The newest segment.
fn segment(directory: &Path) -> PathBuf {
    let listing = Listing::read(directory).expect("listed");
    segment_path(directory, *listing.segments.last().expect("a segment"))
}

#[test]
fn what_was_synced_is_there_after_every_restart() {
    let folder = tempfile::tempdir().expect("a directory");
    let mut expected = Vec::new();
    for start in 0..5 {
        let mut opened = open(folder.path());
        assert_eq!(values(&opened), expected);
        assert_eq!(opened.durable.end, Lsn(expected.len() as u64));
        write(&mut opened.store, &[start * 10, start * 10 + 1]);
        expected.extend([start * 10, start * 10 + 1]);
    }
}

#[test]
fn a_torn_last_write_is_cut_off_and_the_next_record_takes_its_position() {
    let folder = tempfile::tempdir().expect("a directory");
    write(&mut open(folder.path()).store, &[1, 2]);
    let path = segment(folder.path());
    let whole = fs::read(&path).expect("read");
    let mut more = Vec::new();
    encode_record(Lsn(3), &300_u64, &mut Vec::new(), &mut more);
    for cut in 1..more.len() {
        fs::write(&path, [&whole[..], &more[..cut]].concat()).expect("written");
        let mut opened = open(folder.path());
        assert_eq!((values(&opened), opened.torn_bytes), (vec![1, 2], cut as u64));
        write(&mut opened.store, &[4]);
        assert_eq!(values(&open(folder.path())), [1, 2, 4]);
        // As it was, for the next length.
        for later in Listing::read(folder.path())
            .expect("listed")
            .segments
            .into_iter()
            .skip(1)
        {
            fs::remove_file(segment_path(folder.path(), later)).expect("removed");
        }
    }
}

#[test]
fn a_node_never_starts_from_a_log_with_a_damaged_record_in_its_middle() {
    let folder = tempfile::tempdir().expect("a directory");
    write(&mut open(folder.path()).store, &[1, 2, 3]);
    let path = segment(folder.path());
    let whole = fs::read(&path).expect("read");
    for byte in 0..whole.len() * 2 / 3 {
        let mut damaged = whole.clone();
        damaged[byte] ^= 1;
        fs::write(&path, damaged).expect("written");
        let error = super::open::<u64>(folder.path(), false).expect_err("damaged");
        assert!(matches!(error, OpenError::Corrupt { .. }), "byte {byte}: {error}");
    }
}

#[test]
fn an_older_segment_that_is_cut_short_or_gone_is_damage() {
    let folder = tempfile::tempdir().expect("a directory");
    for start in 0..3 {
        write(&mut open(folder.path()).store, &[start, start]);
    }
    let second = segment_path(folder.path(), Lsn(3));
    let whole = fs::read(&second).expect("read");
    fs::write(&second, &whole[..whole.len() - 1]).expect("written");
    assert!(matches!(
        super::open::<u64>(folder.path(), false),
        Err(OpenError::Corrupt { .. })
    ));
    fs::remove_file(&second).expect("removed");
    assert!(matches!(
        super::open::<u64>(folder.path(), false),
        Err(OpenError::Corrupt { .. })
    ));
    fs::write(&second, whole).expect("written");
    fs::remove_file(segment_path(folder.path(), Lsn(1))).expect("removed");
    assert!(matches!(
        super::open::<u64>(folder.path(), false),
        Err(OpenError::Corrupt { .. })
    ));
}

#[test]
fn snapshots_share_the_order_of_records_and_replace_older_ones() {
    let folder = tempfile::tempdir().expect("a directory");
    let mut opened = open(folder.path());
    write(&mut opened.store, &[1, 2]);
    opened.store.snapshot(Lsn(3), b"first").expect("written");
    write(&mut opened.store, &[4]);
    opened.store.snapshot(Lsn(5), b"second").expect("written");
    write(&mut opened.store, &[6]);
    let opened = open(folder.path());
    assert_eq!(opened.durable.snapshot, Some((Lsn(5), b"second".to_vec())));
    assert_eq!(values(&opened), [1, 2, 4, 6]);
    assert_eq!(opened.durable.end, Lsn(6));
    assert_eq!(Listing::read(folder.path()).expect("listed").snapshots, [Lsn(5)]);
}

#[test]
fn a_crash_between_a_snapshot_and_its_mark_keeps_the_snapshot() {
    let folder = tempfile::tempdir().expect("a directory");
    let mut opened = open(folder.path());
    write(&mut opened.store, &[1, 2]);
    let before = fs::read(segment(folder.path())).expect("read");
    opened.store.snapshot(Lsn(3), b"state").expect("written");
    fs::write(segment(folder.path()), before).expect("written");
    for _ in 0..2 {
        let opened = open(folder.path());
        assert_eq!(opened.durable.snapshot, Some((Lsn(3), b"state".to_vec())));
        assert_eq!(opened.durable.end, Lsn(3));
    }
}

#[test]
fn a_snapshot_that_is_gone_or_damaged_is_damage() {
    let folder = tempfile::tempdir().expect("a directory");
    let mut opened = open(folder.path());
    write(&mut opened.store, &[1, 2]);
    opened.store.snapshot(Lsn(3), b"state").expect("written");
    let path = snapshot_path(folder.path(), Lsn(3));
    let mut bytes = fs::read(&path).expect("read");
    *bytes.last_mut().expect("not empty") ^= 1;
    fs::write(&path, bytes).expect("written");
    assert!(matches!(
        super::open::<u64>(folder.path(), false),
        Err(OpenError::Corrupt { .. })
    ));
    fs::remove_file(&path).expect("removed");
    assert!(matches!(
        super::open::<u64>(folder.path(), false),
        Err(OpenError::Corrupt { .. })
    ));
}

#[test]
fn released_segments_are_deleted_and_the_rest_still_opens() {
    let folder = tempfile::tempdir().expect("a directory");
    for start in 0..3 {
        write(&mut open(folder.path()).store, &[start, start]);
    }
    let mut opened = open(folder.path());
    opened.store.snapshot(Lsn(7), b"state").expect("written");
    opened.store.release(Lsn(4)).expect("released");
    let opened = open(folder.path());
    assert_eq!(
        values(&opened),
        [1, 1, 2, 2],
        "position 4 is in the second segment, which stays"
    );
    assert_eq!(opened.durable.records[0].0, Lsn(3));
}
