/** The texts of the account's section, which come with it and not with the page's first script. */
import en from '../../locales/account/en.json'
import zh from '../../locales/account/zh.json'
import { i18n } from '../i18n'

i18n.global.mergeLocaleMessage('en', en)
i18n.global.mergeLocaleMessage('zh', zh)
