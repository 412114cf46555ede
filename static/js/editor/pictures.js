// Pictures by address, fetched and decoded before anybody asks for them. Whoever opens one takes it from here.

const ahead = new Map();

function fetched(url) {
  const image = new Image();
  image.decoding = "async";
  image.src = url;
  return image;
}

/** Values of DICOM frames are no picture that an <img> could decode. */
const isValues = (url) => new URL(url, location.href).pathname.endsWith("/samples/");

async function bytesOf(url) {
  const reply = await fetch(url);
  if (!reply.ok) throw new Error(`${reply.status} from ${url}`);
  return reply.arrayBuffer();
}

/** The bytes at this address: those loaded ahead, which are then forgotten here, or new ones on their way. */
export function bytesFor(url) {
  const bytes = ahead.get(url) ?? bytesOf(url);
  ahead.delete(url);
  return bytes;
}

/** Starts to load and decode; resolves to the bytes that the decoded picture takes, 0 where it cannot be loaded. */
export async function loadAhead(url) {
  if (!ahead.has(url)) ahead.set(url, isValues(url) ? bytesOf(url) : fetched(url));
  const image = ahead.get(url);
  try {
    if (isValues(url)) return 3 * (await image).byteLength; // the values, and the picture made of them
    await image.decode();
  } catch (error) {
    console.info("Not loaded ahead:", url, error.name);
    ahead.delete(url); // whoever opens it tries again, and says what is wrong
    return 0;
  }
  return 4 * image.naturalWidth * image.naturalHeight;
}

/** The picture at this address: the one loaded ahead, which is then forgotten here, or a new one on its way. */
export function pictureFor(url) {
  const image = ahead.get(url) ?? fetched(url);
  ahead.delete(url);
  return image;
}

/** Lets go of pictures that nobody will open. */
export function forgetAhead(urls) {
  for (const url of urls) ahead.delete(url);
}
