// What every page loads; each module looks after its own elements.
import "./theme.js";
import "./menu.js";
import "./dialog.js";
import "./confirm.js";
import "./colours.js";
import "./copy.js";
import "./forms.js";
import "./progress.js";
import "./relative-time.js";
import "./live-panel.js";
