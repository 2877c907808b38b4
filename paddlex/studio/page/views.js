// The views beside today's page: what the navigation shows, in its order. `engineer`: whether it is for engineers alone.

export const VIEWS = [
  { name: "judge", icon: "judge" },
  { name: "teach", icon: "teach", engineer: true, load: () => import("./teach.js") },
  { name: "history", icon: "history", load: () => import("./history.js") },
  { name: "models", icon: "models", load: () => import("./models.js") },
  { name: "drift", icon: "drift", load: () => import("./drift.js") },
  { name: "settings", icon: "settings", load: () => import("./settings.js") },
];
