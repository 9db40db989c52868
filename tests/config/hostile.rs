//! Files that are made to break the reader.

use std::path::Path;

use hallmonitor::config::{Vars, parse, picture};
use hallmonitor::secret::MemoryVault;
use proptest::prelude::*;

use crate::{NO_VARS, read_with};

#[test]
fn hostile_files_end_quickly_and_with_a_place() {
    let vault = MemoryVault::default();
    let refused = |bytes: &[u8]| {
        let refusal = parse(bytes, Path::new("f.yml"), &Vars::default(), &vault).expect_err("refused");
        assert!(!refusal.problems.is_empty());
        assert!(refusal.problems.iter().all(|problem| problem.line > 0), "{:?}", refusal.problems);
        refusal.problems[0].to_string()
    };
    // Rubbish from a fixed linear congruential generator (Knuth's MMIX constants).
    let mut state = 1_u64;
    let rubbish: Vec<u8> = (0..5_000_000)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state.to_be_bytes()[0]
        })
        .collect();
    refused(&rubbish);
    let printable: Vec<u8> = rubbish.iter().map(|byte| if byte % 16 == 0 { b'\n' } else { 32 + byte % 95 }).collect();
    refused(&printable);
    assert!(refused(&b"[".repeat(10_000_000)).contains("nested deeper than 64 levels"));
    assert!(refused(&b"- ".repeat(5_000_000)).contains("nested deeper than 64 levels"));
    assert!(refused(b"a: \xc3\x28").starts_with("f.yml:1:4: byte 0xc3"));
    assert!(refused(&vec![b'#'; 33 * 1024 * 1024]).contains("larger than 32 MiB"));
    for piece in [
        "a",
        "[",
        "{",
        "]",
        "- \n",
        "a:\n",
        "'",
        "\"",
        "&a ",
        "*a ",
        "? ",
        "!!",
        "%",
        "| ",
        "#\n",
        ", ",
        "a: &a [*a, ",
        "<<: {a: 1}\n",
    ] {
        refused(piece.repeat(2_000_000 / piece.len()).as_bytes());
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "(\\PC|[\n\t:\\-\\[\\]{}&*!|>'\"%@`$?,# ]){0,200}") {
        let _ = read_with(&text, NO_VARS);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse(&bytes, Path::new("f.yml"), &Vars::default(), &MemoryVault::default());
    }

    #[test]
    fn no_change_of_a_good_file_makes_the_reader_panic(
        at in 0..2_000_usize,
        length in 0..20_usize,
        piece in "(\\PC|[\n\t:\\-\\[\\]{}&*!|>'\"$]){0,10}",
    ) {
        let good = include_str!("../../examples/configs/hallmonitor.yml");
        let on_character = |at: usize| (0..=at.min(good.len())).rev().find(|at| good.is_char_boundary(*at)).unwrap_or(0);
        let (from, to) = (on_character(at), on_character(at + length));
        let text = format!("{}{piece}{}", &good[..from], &good[to..]);
        match read_with(&text, NO_VARS) {
            Ok(config) => prop_assert!(config.monitors.len() <= good.len()),
            Err(refusal) => for problem in &refusal.problems {
                prop_assert!(!picture(problem, &refusal.text, false).is_empty());
            },
        }
    }
}
