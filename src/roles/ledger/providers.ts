// Where everybody may have an address: that our users write to one of them says nothing about the others.

/** Domains of public providers. */
export const publicProviders: ReadonlySet<string> = new Set(
  `126.com 163.com aim.com alice.it aol.com arcor.de att.net bellsouth.net bigpond.com bluewin.ch bt.com btinternet.com comcast.net cox.net
  daum.net docomo.ne.jp email.cz email.de ezweb.ne.jp fastmail.com fastmail.fm foxmail.com free.fr freenet.de gmail.com gmx.at gmx.ch gmx.com
  gmx.de gmx.net googlemail.com hanmail.net hey.com hotmail.co.uk hotmail.com hotmail.de hotmail.es hotmail.fr hotmail.it hushmail.com icloud.com
  inbox.lv inbox.ru interia.pl laposte.net libero.it list.ru live.co.uk live.com live.fr live.nl mac.com mail.com mail.de mail.ru mailbox.org
  mailfence.com me.com msn.com nate.com naver.com nifty.com o2.pl online.de onet.pl ono.com op.pl orange.fr outlook.com outlook.de outlook.es
  outlook.fr outlook.jp pm.me posteo.de posteo.net proton.me protonmail.com qq.com rambler.ru rediffmail.com rocketmail.com rogers.com sapo.pt
  sbcglobal.net seznam.cz sfr.fr shaw.ca sina.com skynet.be sky.com softbank.ne.jp sohu.com t-online.de talktalk.net telenet.be terra.com.br
  tiscali.it tuta.com tutanota.com ukr.net uol.com.br verizon.net virgilio.it virginmedia.com vodafone.de walla.com wanadoo.fr web.de wp.pl
  xs4all.nl yahoo.ca yahoo.co.in yahoo.co.jp yahoo.co.uk yahoo.com yahoo.com.br yahoo.de yahoo.es yahoo.fr yahoo.it yandex.com yandex.ru
  yeah.net ymail.com ziggo.nl zoho.com`.split(/\s+/),
);
