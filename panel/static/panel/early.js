// Before the page shows: with scripts, menus fold and tabs hide.
document.documentElement.classList.replace("no-js", "js");
