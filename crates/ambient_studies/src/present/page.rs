//! What all pages share: their head, and what stands in them.

const STYLE: &str = include_str!("page.css");

/// A page up to where its content begins, with rules of its own after the style that all pages share.
#[must_use]
pub fn head(title: &str, more_style: &str) -> String {
    format!(
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
{STYLE}{more_style}</style>
</head>
<body>
<main>
"#
    )
}

/// A picture that grows and shrinks with the page.
#[must_use]
pub fn inline(svg: &str, name: &str) -> String {
    let svg = svg.trim_end();
    match svg.split_once("<svg ") {
        Some((_, rest)) => format!("<svg role=\"img\" aria-label=\"{name}\" {rest}"),
        None => svg.to_owned(),
    }
}

/// A text with the letters of HTML written out.
#[must_use]
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
