// Runs before the first paint, so that a chosen theme does not flash. A classic script on purpose: modules wait.
try {
  const theme = localStorage.getItem("tessera-theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch (error) {
  console.info("No storage in this browser; the theme follows the system.", error.name);
}
