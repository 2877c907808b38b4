// What is said about a verdict, in the judge view: to be written.

export function start() {}
