//! The function that the worker calls, and what must hold for it to compile.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{Type, spanned::Spanned};

use super::Expansion;
use crate::{parameter::Kind, parse::type_text, signature::Parameter};

impl Expansion<'_> {
    /// Asks the compiler whether the connection fits the function.
    pub(super) fn check(&self) -> Option<TokenStream> {
        let private = &self.private;
        self.task.signature.connection().map(|ty| {
            let (expected, text) = if self.task.signature.is_async {
                (true, "this connection blocks its thread: leave out `async`, so that the task runs on the blocking pool, or take one of diesel-async's connections")
            } else {
                (false, "this connection is driven by `.await`: write `async fn`")
            };
            quote_spanned! {ty.span()=>
                const _: () = ::core::assert!(
                    <#ty as #private::TaskConnection>::IS_ASYNC == #expected,
                    #text
                );
            }
        })
    }

    /// How the task is run: the variant of `Run` with the wrapper.
    pub(super) fn run(&self) -> TokenStream {
        let private = &self.private;
        let signature = &self.task.signature;
        if !self.is_whole {
            return quote!(#private::Run::Blocking(__run));
        }
        match (signature.connection(), signature.is_async) {
            (None, true) => quote!(#private::Run::Async(__run)),
            (None, false) => quote!(#private::Run::Blocking(__run)),
            (Some(ty), is_async) => {
                let variant =
                    if is_async { quote!(AsyncTransaction) } else { quote!(BlockingTransaction) };
                let need = quote_spanned! {ty.span()=>
                    #private::ConnectionNeed::of::<#ty>(<#ty as #private::TaskConnection>::ENGINE)
                };
                quote!(#private::Run::#variant(#need, __run))
            }
        }
    }

    /// The function that the worker calls: it decodes, lends, calls, and judges what came back.
    pub(super) fn wrapper(&self) -> TokenStream {
        let private = &self.private;
        let signature = &self.task.signature;
        let task_name = &self.task.function.signature.ident;
        let body = self.body();
        // What makes the future not `Send` is told at the function's name.
        let name = task_name.span();
        let future = quote_spanned!(name=> ::std::boxed::Box::pin(async move { #body }));
        match (signature.connection().is_some(), signature.is_async) {
            (false, false) => quote! {
                fn __run(__invocation: #private::Invocation) -> #private::Verdict { #body }
            },
            (false, true) => quote! {
                fn __run(
                    __invocation: #private::Invocation,
                ) -> #private::BoxFuture<'static, #private::Verdict> {
                    #future
                }
            },
            (true, false) => quote! {
                fn __run(
                    __invocation: #private::Invocation,
                    __connection: &mut (dyn ::core::any::Any + ::core::marker::Send),
                ) -> #private::Verdict { #body }
            },
            (true, true) => quote! {
                fn __run<'c>(
                    __invocation: #private::Invocation,
                    __connection: &'c mut (dyn ::core::any::Any + ::core::marker::Send),
                ) -> #private::BoxFuture<'c, #private::Verdict> {
                    #future
                }
            },
        }
    }

    fn body(&self) -> TokenStream {
        let Self { task, applier, private, .. } = self;
        let signature = &task.signature;
        let states = self.states();
        let decode = or_return(&quote!(__arguments), &quote!(__invocation.decode::<#applier>()));
        let lend = states.iter().enumerate().map(|(index, ty)| {
            let found = quote_spanned!(at(ty)=> __invocation.state::<#ty>());
            or_return(&state_name(index), &found)
        });
        let connect = signature.connection().map(|ty| {
            let found = quote_spanned!(at(ty)=> __connection.downcast_mut::<#ty>());
            quote! {
                let ::core::option::Option::Some(__connection) = #found else {
                    return #private::Verdict::failed(#private::Error::new(
                        #private::ErrorKind::Config,
                        "the worker's connection is not of the type that the task takes",
                    ));
                };
            }
        });
        let passed = signature.parameters.iter().map(|one| passed(one, &states));
        let function = &task.function.signature.ident;
        let wait = signature.is_async.then(|| quote!(.await));
        let call = quote_spanned!(function.span()=> #function(#(#passed),*)#wait);
        quote! {
            #decode
            #(#lend)*
            #connect
            #private::Returned(#call).verdict()
        }
    }

    /// The types of the states that it takes, each once.
    pub(super) fn states(&self) -> Vec<&Type> {
        let mut states: Vec<&Type> = Vec::new();
        for parameter in &self.task.signature.parameters {
            if let Kind::State(ty) = &parameter.kind
                && !states.iter().any(|known| type_text(known) == type_text(ty))
            {
                states.push(ty);
            }
        }
        states
    }
}

/// The place of a type, for code that names our own variables: a type that a macro was called with
/// would look for them where that macro was called.
fn at(ty: &Type) -> Span {
    ty.span().resolved_at(Span::call_site())
}

/// `let name = result?`, in a function that returns the error itself.
fn or_return(name: &impl ToTokens, result: &TokenStream) -> TokenStream {
    quote! {
        let #name = match #result {
            ::core::result::Result::Ok(found) => found,
            ::core::result::Result::Err(verdict) => return verdict,
        };
    }
}

fn state_name(index: usize) -> proc_macro2::Ident {
    format_ident!("__state{index}")
}

/// What is passed for a parameter.
fn passed(parameter: &Parameter, states: &[&Type]) -> TokenStream {
    let name = &parameter.name;
    match &parameter.kind {
        Kind::Stored(_) | Kind::Wrong => quote!(__arguments.#name),
        Kind::Text => quote!(&__arguments.#name),
        Kind::Context => quote!(__invocation.ctx()),
        Kind::Connection(_) => quote!(__connection),
        Kind::State(ty) => {
            let is_it = |known: &&Type| type_text(known) == type_text(ty);
            let state = state_name(states.iter().position(is_it).unwrap_or(0));
            quote!(&*#state)
        }
    }
}
