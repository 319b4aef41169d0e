//! Tokens, as they are written: the entries of an attribute, and the function under it.

use proc_macro2::{Delimiter, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{
    Expr, Lit, LitStr, Token, UnOp,
    ext::IdentExt,
    parse::{Parse, ParseStream, Parser},
    punctuated::Punctuated,
};

use crate::mistakes::Mistakes;

/// One entry of an attribute: `key`, `key = value` or `key(value, ..)`.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The key, which may be a keyword (`crate`).
    pub(crate) key: Ident,
    /// What was given for it.
    pub(crate) given: Given,
}

/// What is given for a key.
#[derive(Debug)]
pub(crate) enum Given {
    /// Only the key.
    Nothing,
    /// `= value`
    Value(Box<Expr>),
    /// `(value, ..)`
    List(Vec<Expr>),
}

impl Entry {
    /// The key without `r#`.
    pub(crate) fn name(&self) -> String {
        self.key.unraw().to_string()
    }

    /// The tokens to point at when what was given is wrong.
    pub(crate) fn place(&self) -> TokenStream {
        match &self.given {
            Given::Nothing => self.key.to_token_stream(),
            Given::Value(value) => value.to_token_stream(),
            Given::List(list) if list.is_empty() => self.key.to_token_stream(),
            Given::List(list) => quote!(#(#list),*),
        }
    }
}

/// What stands between the brackets of an attribute.
#[derive(Debug, Default)]
pub(crate) struct Entries {
    /// The text before the entries: `#[cron_task("*/5 * * * *")]`.
    pub(crate) texts: Vec<LitStr>,
    /// The entries, in the order of the source.
    pub(crate) entries: Vec<Entry>,
}

/// Reads the entries of an attribute. One that cannot be read does not hide the others.
pub(crate) fn entries(tokens: TokenStream, mistakes: &mut Mistakes) -> Entries {
    let mut found = Entries::default();
    for (piece, comma) in pieces(tokens) {
        if piece.is_empty() {
            mistakes.spot(comma, "an option is missing before this comma");
        } else if let Ok(text) = syn::parse2::<LitStr>(piece.clone()) {
            found.texts.push(text);
        } else {
            match syn::parse2(piece) {
                Ok(entry) => found.entries.push(entry),
                Err(error) => mistakes.unread(error),
            }
        }
    }
    found
}

/// The tokens between commas, each with the place of the comma that ends it.
fn pieces(tokens: TokenStream) -> Vec<(TokenStream, Span)> {
    let mut pieces = Vec::new();
    let mut piece = TokenStream::new();
    for token in tokens {
        match token {
            TokenTree::Punct(comma) if comma.as_char() == ',' => {
                pieces.push((std::mem::take(&mut piece), comma.span()));
            }
            other => piece.extend([other]),
        }
    }
    if !piece.is_empty() {
        pieces.push((piece, Span::call_site()));
    }
    pieces
}

impl Parse for Entry {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let Ok(key) = input.call(Ident::parse_any) else {
            return Err(input.error("expected an option, such as `queue = \"mail\"`"));
        };
        let given = if input.is_empty() {
            Given::Nothing
        } else if input.peek(syn::token::Paren) {
            let content;
            syn::parenthesized!(content in input);
            Given::List(
                Punctuated::<Expr, Token![,]>::parse_terminated(&content)?.into_iter().collect(),
            )
        } else if input.peek(Token![=]) && !input.peek(Token![==]) {
            let equals: Token![=] = input.parse()?;
            if input.is_empty() {
                return Err(syn::Error::new(
                    equals.span,
                    format!("a value is missing after `{key} =`"),
                ));
            }
            let rest: TokenStream = input.fork().parse()?;
            let value = input.parse().map_err(|_| {
                let text = type_text(&rest).replace(' ', "");
                syn::Error::new_spanned(
                    &rest,
                    format!("put the value in quotes: write `{key} = \"{text}\"`"),
                )
            })?;
            Given::Value(Box::new(value))
        } else {
            return Err(input.error(format!("expected `=` and a value after `{key}`")));
        };
        if !input.is_empty() {
            return Err(input.error("a comma is missing before this"));
        }
        Ok(Self { key, given })
    }
}

/// The text in quotes that `value` is, if it is one.
pub(crate) fn as_text(value: &Expr) -> Option<&LitStr> {
    match value {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Str(text) => Some(text),
            _ => None,
        },
        Expr::Group(group) => as_text(&group.expr),
        _ => None,
    }
}

/// The whole number that `value` is, if it is one. One that no `i128` holds is as good as none.
pub(crate) fn as_integer(value: &Expr) -> Option<i128> {
    match value {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Int(number) if number.suffix().is_empty() => number.base10_parse().ok(),
            _ => None,
        },
        Expr::Unary(unary) if matches!(unary.op, UnOp::Neg(_)) => {
            as_integer(&unary.expr).map(|number| -number)
        }
        Expr::Group(group) => as_integer(&group.expr),
        _ => None,
    }
}

/// The number with letters that `value` is, if it is one: `30s` without its quotes.
pub(crate) fn as_suffixed(value: &Expr) -> Option<String> {
    match value {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Int(number) if !number.suffix().is_empty() => Some(number.to_string()),
            Lit::Float(number) if !number.suffix().is_empty() => Some(number.to_string()),
            _ => None,
        },
        Expr::Group(group) => as_suffixed(&group.expr),
        _ => None,
    }
}

/// The single word that `value` is, if it is one: somebody forgot the quotes.
pub(crate) fn as_word(value: &Expr) -> Option<String> {
    match value {
        Expr::Path(path) if path.qself.is_none() => path.path.get_ident().map(ToString::to_string),
        _ => None,
    }
}

/// A function as written; its body is passed on unread.
#[derive(Debug, Clone)]
pub(crate) struct Function {
    /// Its attributes, doc comments among them.
    pub(crate) attributes: Vec<syn::Attribute>,
    /// Its visibility.
    pub(crate) visibility: syn::Visibility,
    /// Its signature, with the attributes of its parameters.
    pub(crate) signature: syn::Signature,
    /// Its body in braces.
    pub(crate) body: TokenTree,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attributes = input.call(syn::Attribute::parse_outer)?;
        let visibility = input.parse()?;
        let signature = input.parse()?;
        let body: TokenTree = input.parse()?;
        let is_block =
            matches!(&body, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace);
        if !is_block {
            return Err(syn::Error::new(body.span(), "a task needs a body in braces"));
        }
        Ok(Self { attributes, visibility, signature, body })
    }
}

impl ToTokens for Function {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        for attribute in &self.attributes {
            attribute.to_tokens(tokens);
        }
        self.visibility.to_tokens(tokens);
        self.signature.to_tokens(tokens);
        self.body.to_tokens(tokens);
    }
}

/// Reads the function under an attribute; anything else is a mistake of its own.
pub(crate) fn function(item: TokenStream, attribute: &str) -> syn::Result<Function> {
    let read = |input: ParseStream<'_>| {
        let fork = input.fork();
        let _ = fork.call(syn::Attribute::parse_outer);
        let _ = fork.parse::<syn::Visibility>();
        match word_of_another_item(&fork) {
            Some(word) => Err(syn::Error::new(
                word.span(),
                format!("{attribute} goes onto a function; this is a `{word}`"),
            )),
            None => input.parse(),
        }
    };
    read.parse2(item)
}

/// The keyword that begins an item which is no function.
fn word_of_another_item(input: ParseStream<'_>) -> Option<Ident> {
    const OTHERS: [&str; 9] =
        ["struct", "enum", "union", "trait", "impl", "mod", "type", "static", "use"];
    let word = input.call(Ident::parse_any).ok()?;
    let next_is_fn = || {
        // `const fn` and `async fn` are functions; `const X` and `let` are not.
        ["fn", "unsafe", "async", "extern"]
            .iter()
            .any(|keyword| input.fork().call(Ident::parse_any).is_ok_and(|next| next == keyword))
    };
    let other = OTHERS.iter().any(|other| word == other) || (word == "const" && !next_is_fn());
    other.then_some(word)
}

/// A type as one would write it: `Vec<String>`, not `Vec < String >`.
pub(crate) fn type_text(ty: &impl ToTokens) -> String {
    let mut text = String::new();
    write_tokens(ty.to_token_stream(), &mut text);
    text
}

fn write_tokens(tokens: TokenStream, text: &mut String) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                text.push_str(open);
                write_tokens(group.stream(), text);
                text.push_str(close);
            }
            TokenTree::Punct(punct) => match punct.as_char() {
                ',' | ';' => {
                    text.push(punct.as_char());
                    text.push(' ');
                }
                '+' | '=' => {
                    text.push(' ');
                    text.push(punct.as_char());
                    text.push(' ');
                }
                // The `-` of `->`; a negative number is a literal of its own or stands in braces.
                '-' => text.push_str(" -"),
                '>' if text.ends_with('-') => text.push_str("> "),
                other => text.push(other),
            },
            word => {
                if text.ends_with(|last: char| last.is_alphanumeric() || last == '_') {
                    text.push(' ');
                }
                text.push_str(&word.to_string());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_apart() {
        let mut mistakes = Mistakes::default();
        let found = entries(
            quote!("text", queue = "mail", , alias("a", "b"), flag, queue "x", priority = ,
                   timeout = "3s" settle = "each", 7, crate = "jobs"),
            &mut mistakes,
        );
        let names: Vec<_> = found.entries.iter().map(Entry::name).collect();
        assert_eq!(names, ["queue", "alias", "flag", "crate"]);
        assert_eq!(found.texts.len(), 1);
        assert_eq!(
            mistakes.texts(),
            [
                "an option is missing before this comma",
                "expected `=` and a value after `queue`",
                "a value is missing after `priority =`",
                "a comma is missing before this",
                "expected an option, such as `queue = \"mail\"`",
            ]
        );
    }

    #[test]
    fn the_body_of_a_function_is_not_read() {
        let read = function(quote!(pub fn f(a: u8) { not rust at all }), "`#[task]`").unwrap();
        assert_eq!(read.signature.ident, "f");
        assert!(read.to_token_stream().to_string().contains("not rust at all"));
    }

    #[test]
    fn other_items_are_named() {
        for (item, word) in [
            (
                quote!(
                    /** doc */
                    pub struct S;
                ),
                "struct",
            ),
            (
                quote!(
                    const X: u8 = 1;
                ),
                "const",
            ),
            (
                quote!(
                    mod m {}
                ),
                "mod",
            ),
        ] {
            let error = function(item, "`#[task]`").unwrap_err().to_string();
            assert_eq!(error, format!("`#[task]` goes onto a function; this is a `{word}`"));
        }
        assert!(
            function(
                quote!(
                    const fn f() {}
                ),
                "`#[task]`"
            )
            .is_ok()
        );
        let error = function(
            quote!(
                fn f();
            ),
            "`#[task]`",
        )
        .unwrap_err()
        .to_string();
        assert_eq!(error, "a task needs a body in braces");
    }

    #[test]
    fn types_are_written_as_by_hand() {
        for text in [
            "Vec<String>",
            "&mut sqlite::SqliteConnection",
            "HashMap<String, Option<u8>>",
            "&dyn Fn(u8) -> u8",
            "&(dyn Greet + Send)",
            "[u8; 32]",
            "Cow<'static, str>",
            "std::path::PathBuf",
        ] {
            let ty: syn::Type = syn::parse_str(text).unwrap();
            assert_eq!(type_text(&ty), text);
        }
    }

    #[test]
    fn values_are_recognised() {
        let read = |text: &str| syn::parse_str::<Expr>(text).unwrap();
        assert_eq!(as_integer(&read("-5")), Some(-5));
        assert_eq!(as_integer(&read("0x10")), Some(16));
        assert_eq!(as_integer(&read("1.5")), None);
        assert_eq!(as_word(&read("mail")).as_deref(), Some("mail"));
        assert_eq!(as_word(&read("a::b")), None);
        assert!(as_text(&read("\"a\"")).is_some() && as_text(&read("b\"a\"")).is_none());
    }
}
