//! Numbers on every command line are read whatever their sign, and refused by what they mean.

use std::any::TypeId;

use clap::error::ErrorKind;
use clap::{Arg, Command, CommandFactory as _};

use crate::program::commands::Ambient;
use crate::program::commands::numbers::whole;

/// Every command that has options, by the words that it is called with.
fn commands() -> Vec<(Vec<String>, Command)> {
    fn collect(words: &[String], command: &Command, found: &mut Vec<(Vec<String>, Command)>) {
        let words = [words, &[command.get_name().to_owned()]].concat();
        for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
            collect(&words, inner, found);
        }
        found.push((words, command.clone()));
    }
    let mut root = Ambient::command();
    root.build();
    let mut found = Vec::new();
    collect(&[], &root, &mut found);
    found
}

/// What the values of options that are no numbers are called. An option whose value is called otherwise has numbers in it.
const WORDS: [&str; 10] =
    ["NAME", "NAMES", "RULES", "METRIC", "FOLDER", "FILE", "WHAT", "FORM", "KEY=VALUE", "ARGUMENTS"];

/// Whether an argument holds numbers, by the type that its value is read as, or by what its value is called where it is read as text.
fn is_numeric(argument: &Arg) -> bool {
    let numbers = [
        TypeId::of::<u8>(),
        TypeId::of::<u16>(),
        TypeId::of::<u32>(),
        TypeId::of::<u64>(),
        TypeId::of::<u128>(),
        TypeId::of::<usize>(),
        TypeId::of::<i8>(),
        TypeId::of::<i16>(),
        TypeId::of::<i32>(),
        TypeId::of::<i64>(),
        TypeId::of::<i128>(),
        TypeId::of::<isize>(),
        TypeId::of::<f32>(),
        TypeId::of::<f64>(),
    ];
    let read_as = argument.get_value_parser().type_id();
    let is_word = |name: &str| WORDS.contains(&name);
    let called = argument.get_value_names().unwrap_or_default();
    numbers.iter().any(|number| read_as == *number)
        || (argument.get_long().is_some()
            && argument.get_action().takes_values()
            && argument.get_possible_values().is_empty()
            && !called.iter().all(|name| is_word(name)))
}

fn numeric() -> Vec<(Vec<String>, Arg)> {
    let of = |(words, command): (Vec<String>, Command)| {
        let arguments: Vec<Arg> = command.get_arguments().filter(|argument| is_numeric(argument)).cloned().collect();
        arguments.into_iter().map(move |argument| (words.clone(), argument))
    };
    commands().into_iter().flat_map(of).collect()
}

#[test]
fn every_option_with_a_number_takes_one_that_begins_with_a_minus() {
    let found = numeric();
    // Those that there are without training; the walk has found them all.
    assert!(found.len() >= 11, "{}", found.len());
    for (words, argument) in found {
        let name = format!("{} --{}", words.join(" "), argument.get_long().unwrap_or_default());
        assert!(argument.is_allow_hyphen_values_set(), "{name} lacks allow_hyphen_values = true");
    }
}

#[test]
fn a_negative_number_is_never_an_unexpected_argument() {
    for (words, argument) in numeric() {
        let option = format!("--{}", argument.get_long().unwrap());
        for number in ["-1", "-0.5", "-.5", "-1e-3", "-inf", "-NaN", "-18446744073709551616"] {
            let line: Vec<&str> = words.iter().map(String::as_str).chain([&*option, number]).collect();
            let Err(error) = Ambient::command().try_get_matches_from(&line) else { continue };
            // What is missing beside the number may be said, and that the number is out of range: then with option and value.
            let said = error.to_string();
            assert_ne!(error.kind(), ErrorKind::UnknownArgument, "{line:?}: {said}");
            if error.kind() == ErrorKind::ValueValidation {
                assert!(said.contains(&option) && said.contains(number), "{line:?}: {said}");
                assert!(said.contains("it must be a whole number from "), "{line:?}: {said}");
            }
        }
    }
}

#[test]
fn a_whole_number_is_read_in_its_range_and_refused_with_it_elsewhere() {
    let read = whole::<u32>(2..=5);
    for (text, number) in [("2", 2), ("5", 5), ("+3", 3), ("0004", 4)] {
        assert_eq!(read(text), Ok(number), "{text}");
    }
    for text in ["1", "6", "-2", "-0.5", "2.0", "", "x", "4294967298", "18446744073709551618"] {
        assert_eq!(read(text), Err("it must be a whole number from 2 to 5".to_owned()), "{text}");
    }
    assert_eq!(whole::<u64>(0..=u64::MAX)("18446744073709551615"), Ok(u64::MAX));
}
