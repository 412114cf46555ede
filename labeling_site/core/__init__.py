"""What every app may lean on: environment, errors, jobs, events, API and page plumbing. No domain word lives here."""
