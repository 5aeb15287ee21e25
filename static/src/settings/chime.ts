/** Two short notes, made here: no file is loaded for them. */
const NOTES = [659.3, 880] // hertz
const NOTE_SECONDS = 0.22

let audio: AudioContext | null = null

/** `volume`: 0 to 1. */
export function playChime(volume: number) {
  audio ??= new AudioContext()
  const context = audio
  void context.resume()
  NOTES.forEach((frequency, at) => {
    const begin = context.currentTime + at * NOTE_SECONDS * 0.7
    const tone = new OscillatorNode(context, { type: 'sine', frequency })
    const gain = new GainNode(context, { gain: 0 })
    gain.gain.linearRampToValueAtTime(volume, begin + 0.02)
    gain.gain.exponentialRampToValueAtTime(0.001, begin + NOTE_SECONDS)
    tone.connect(gain).connect(context.destination)
    tone.start(begin)
    tone.stop(begin + NOTE_SECONDS)
  })
}
