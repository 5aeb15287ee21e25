import './styles/element.css'
import './styles/tokens.css'
import './styles/base.css'
import './styles/plugin.css'

import { createApp } from 'vue'

import App from './App.vue'
import { i18n } from './i18n'
import { listenForMessageKey } from './notifications'

listenForMessageKey()
createApp(App).use(i18n).mount('#app')
