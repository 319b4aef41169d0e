//! The application's own tables, which share the database with those of taskx.

diesel::table! {
    /// Who signed up.
    members (id) {
        /// A UUID of version 7, so that members sort by when they came.
        id -> Text,
        email -> Text,
        name -> Text,
    }
}

diesel::table! {
    /// What was uploaded.
    pictures (id) {
        /// A UUID of version 7, which also names the picture's files.
        id -> Text,
        title -> Text,
        /// The job that makes its thumbnails.
        job -> Text,
    }
}
