//! What is looked for: texts, regular expressions, globs.

use std::{io, thread};

use glob::MatchOptions;
use regex::bytes::{Regex, RegexBuilder};

use crate::error::Fault;

/// Bounds for what a compiled expression and its cache take.
const SIZE: usize = 2 << 20;
/// Compiling recurses as deep as the expression is nested: too deep for the small stack of a call.
const NESTING: u32 = 100;
const STACK: usize = 1 << 20;
/// Longest glob. A file's name has at most 255 bytes.
const GLOB: usize = 255;

/// Compiles a regular expression, or a text that stands for itself. Matching takes linear time whatever it is.
pub fn pattern(field: &'static str, text: &str, regex: bool, ignore_case: bool) -> Result<Regex, Fault> {
    let escaped;
    let expression = if regex {
        text
    } else {
        escaped = regex::escape(text);
        &escaped
    };
    let compile = || {
        RegexBuilder::new(expression)
            .case_insensitive(ignore_case)
            // In a file ^ and $ are the ends of its lines.
            .multi_line(true)
            .size_limit(SIZE)
            .dfa_size_limit(SIZE)
            .nest_limit(NESTING)
            .build()
    };
    let compiled = thread::scope(|scope| {
        let thread = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, compile)?;
        thread.join().map_err(|_| io::Error::other("compiling panicked"))
    });
    match compiled {
        Ok(Ok(regex)) => Ok(regex),
        Ok(Err(error)) => Err(Fault::invalid(field, error.to_string())),
        Err(error) => Err(Fault::internal("a regular expression", error)),
    }
}

/// A glob for names: `*`, `?`, `[a-z]`, `[!a-z]`.
pub struct Glob {
    pattern: glob::Pattern,
    options: MatchOptions,
}

impl Glob {
    pub fn new(field: &'static str, text: &str, ignore_case: bool) -> Result<Self, Fault> {
        if text.len() > GLOB {
            return Err(Fault::invalid(
                field,
                format!("a glob of {} bytes: the limit is {GLOB}", text.len()),
            ));
        }
        let pattern = glob::Pattern::new(text).map_err(|error| Fault::invalid(field, error.to_string()))?;
        Ok(Self { pattern, options: MatchOptions { case_sensitive: !ignore_case, ..MatchOptions::new() } })
    }

    pub fn matches(&self, name: &str) -> bool {
        self.pattern.matches_with(name, self.options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_names() {
        for (glob, name, ignore_case, expected) in [
            ("*.rs", "main.rs", false, true),
            ("*.rs", ".rs", false, true),
            ("*.RS", "main.rs", false, false),
            ("*.RS", "main.rs", true, true),
            ("[!a]?", "bé", false, true),
            (".*", ".git", false, true),
            (".*", "git", false, false),
            (&"*a".repeat(127), &"a".repeat(255), false, true),
            (&"*a".repeat(127), &("a".repeat(254) + "b"), false, false),
        ] {
            assert_eq!(Glob::new("g", glob, ignore_case).unwrap().matches(name), expected, "{glob} {name}");
        }
        assert!(Glob::new("g", "[", false).is_err());
        assert!(Glob::new("g", &"*".repeat(256), false).is_err());
    }

    #[test]
    fn expressions_that_need_too_much_are_refused() {
        let deep = |depth| "(".repeat(depth) + "a" + &")".repeat(depth);
        for text in [deep(200), "(".into(), r"(\w{100}){100}".into(), "a{1000}{1000}".into()] {
            assert_eq!(pattern("p", &text, true, false).unwrap_err().field, "p", "{text}");
        }
        assert!(pattern("p", &deep(99), true, true).unwrap().is_match(b"A"));
    }

    #[test]
    fn a_text_stands_for_itself() {
        let found = |text: &str, ignore_case, line: &str| {
            pattern("p", text, false, ignore_case).unwrap().is_match(line.as_bytes())
        };
        assert!(found("a.b", false, "xa.b") && !found("a.b", false, "axb") && !found("a.b", false, "A.B"));
        assert!(found("ÄB", true, "äb"));
    }
}
