import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vite'

// EASEL names the running service for `npm run dev`; the built page asks the host it came from.
const service = process.env.EASEL ?? 'http://127.0.0.1:7860'
const routes = ['/sdapi', '/internal', '/api', '/plugins', '/login', '/logout', '/invite']

export default defineConfig({
  base: './', // works below any --root-path
  plugins: [vue()],
  define: {
    __VUE_I18N_FULL_INSTALL__: false,
    __VUE_I18N_LEGACY_API__: false,
    __INTLIFY_PROD_DEVTOOLS__: false,
  },
  build: {
    assetsInlineLimit: 0, // a strict Content-Security-Policy allows no data: scripts or styles
    chunkSizeWarningLimit: 700,
  },
  server: { proxy: Object.fromEntries(routes.map((path) => [path, { target: service }])) },
})
