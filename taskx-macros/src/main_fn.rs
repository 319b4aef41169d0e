//! `#[taskx::main]`: an async main with a runtime, the environment and an App.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::{
    Error, ItemFn, Path, Token,
    parse::{Parse, ParseStream, Parser},
    punctuated::Punctuated,
    spanned::Spanned,
};

/// What stands in the parentheses.
#[derive(Default)]
struct Options {
    setup: Option<Path>,
    krate: Option<Path>,
}

enum Entry {
    Setup(Path),
    Crate(Path),
}

impl Parse for Entry {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if input.peek(Token![crate]) {
            input.parse::<Token![crate]>()?;
            input.parse::<Token![=]>()?;
            let text: syn::LitStr = input.parse()?;
            return text.parse().map(Self::Crate);
        }
        let key: syn::Ident = input.parse()?;
        if key != "setup" {
            let text = format!("unknown option `{key}`; `#[taskx::main]` takes `setup = function`");
            return Err(Error::new(key.span(), text));
        }
        input.parse::<Token![=]>()?;
        input.parse().map(Self::Setup)
    }
}

/// The expansion; a mistake leaves the function as it is and adds the error.
pub(crate) fn expand(options: TokenStream, item: &TokenStream) -> TokenStream {
    match try_expand(options, item) {
        Ok(tokens) => tokens,
        Err(error) => {
            let error = error.into_compile_error();
            quote!(#error fn main() {})
        }
    }
}

fn try_expand(options: TokenStream, item: &TokenStream) -> syn::Result<TokenStream> {
    let mut given = Options::default();
    for entry in Punctuated::<Entry, Token![,]>::parse_terminated.parse2(options)? {
        match entry {
            Entry::Setup(path) => given.setup = Some(path),
            Entry::Crate(path) => given.krate = Some(path),
        }
    }
    let krate = given.krate.map_or_else(|| quote!(::taskx), |path| quote!(#path));
    let mut function: ItemFn = syn::parse2(item.clone())?;
    check(&function)?;
    let setup = given.setup.map_or_else(
        || quote!(#krate::__private::default_setup),
        |path| quote_spanned!(path.span() => #path),
    );
    let body = format_ident!("__taskx_main", span = Span::mixed_site());
    let outer = std::mem::replace(&mut function.sig.ident, body.clone());
    let call = if function.sig.inputs.is_empty() { quote!(|_app| #body()) } else { quote!(#body) };
    Ok(quote! {
        fn #outer() -> ::std::process::ExitCode {
            #function
            #krate::__private::run_main(#setup, #call)
        }
    })
}

fn check(function: &ItemFn) -> syn::Result<()> {
    let signature = &function.sig;
    if signature.asyncness.is_none() {
        return Err(Error::new(
            signature.fn_token.span(),
            "`#[taskx::main]` needs an async function: write `async fn main(app: App)`",
        ));
    }
    if signature.inputs.len() > 1 {
        return Err(Error::new(
            signature.inputs.span(),
            "`main` takes the App and nothing else: write `async fn main(app: App)`",
        ));
    }
    Ok(())
}
